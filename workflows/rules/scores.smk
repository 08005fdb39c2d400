if has("score_part"):

    rule score_part:
        input:
            inputs("score_part"),
        output:
            f"{RESULTS}/scores/parts/{{part}}.parquet",
        log:
            "logs/score_part.{part}.log",
        benchmark:
            "benchmarks/score_part.{part}.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("score_part")
        resources:
            mem_mb=memory("score_part"),
            runtime=minutes("score_part"),
        params:
            command=command("score_part"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"

    rule merge:
        input:
            inputs("merge"),
        output:
            outputs("merge"),
        log:
            "logs/merge.log",
        benchmark:
            "benchmarks/merge.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("merge")
        resources:
            mem_mb=memory("merge"),
            runtime=minutes("merge"),
        params:
            command=command("merge"),
            version=PLAN["version"],
        shell:
            "{params.command} 2> {log:q}"

else:

    rule score:
        input:
            inputs("score"),
        output:
            outputs("score"),
        log:
            "logs/score.log",
        benchmark:
            "benchmarks/score.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("score")
        resources:
            mem_mb=memory("score"),
            runtime=minutes("score"),
        params:
            command=command("score"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"
