if PARTS:

    rule score_part:
        input:
            lambda wildcards: JOBS["score_part", wildcards.part]["inputs"],
        output:
            f"{PLAN['output']}/scores/parts/{{part}}.parquet",
        params:
            command=lambda wildcards: command("score_part", wildcards.part),
            version=PLAN["version"],
        threads: JOBS["score_part", PARTS[0]]["threads"]
        resources:
            mem_mb=memory("score_part", PARTS[0]),
            runtime=minutes("score_part", PARTS[0]),
        log:
            "logs/score_part.{part}.log",
        benchmark:
            "benchmarks/score_part.{part}.tsv"
        shell:
            "{params.command} --threads {threads} 2> {log:q}"

    rule merge:
        input:
            JOBS["merge", ""]["inputs"],
        output:
            JOBS["merge", ""]["outputs"],
        params:
            command=command("merge"),
            version=PLAN["version"],
        threads: JOBS["merge", ""]["threads"]
        resources:
            mem_mb=memory("merge"),
            runtime=minutes("merge"),
        log:
            "logs/merge.log",
        benchmark:
            "benchmarks/merge.tsv"
        shell:
            "{params.command} 2> {log:q}"

else:

    rule score:
        input:
            JOBS["score", ""]["inputs"],
        output:
            JOBS["score", ""]["outputs"],
        params:
            command=command("score"),
            version=PLAN["version"],
        threads: JOBS["score", ""]["threads"]
        resources:
            mem_mb=memory("score"),
            runtime=minutes("score"),
        log:
            "logs/score.log",
        benchmark:
            "benchmarks/score.tsv"
        shell:
            "{params.command} --threads {threads} 2> {log:q}"
