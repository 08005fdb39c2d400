if has("sensitivity_part"):

    rule classes:
        input:
            inputs("classes"),
        output:
            outputs("classes"),
        log:
            "logs/classes.log",
        benchmark:
            "benchmarks/classes.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("classes")
        resources:
            mem_mb=memory("classes"),
            runtime=minutes("classes"),
        params:
            command=command("classes"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} --mem-mb {resources.mem_mb} 2> {log:q}"

    rule sensitivity_part:
        input:
            inputs("sensitivity_part"),
        output:
            f"{RESULTS}/sensitivity/parts/associate-{{part}}.parquet",
            f"{RESULTS}/sensitivity/parts/associate-{{part}}.parquet.json",
        log:
            "logs/sensitivity_part.{part}.log",
        benchmark:
            "benchmarks/sensitivity_part.{part}.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("sensitivity_part")
        resources:
            mem_mb=memory("sensitivity_part"),
            runtime=minutes("sensitivity_part"),
        params:
            command=command("sensitivity_part"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"

    rule stack_sensitivity:
        input:
            inputs("stack_sensitivity"),
        output:
            outputs("stack_sensitivity"),
        log:
            "logs/stack_sensitivity.log",
        benchmark:
            "benchmarks/stack_sensitivity.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("stack_sensitivity")
        resources:
            mem_mb=memory("stack_sensitivity"),
            runtime=minutes("stack_sensitivity"),
        params:
            command=command("stack_sensitivity"),
            version=PLAN["version"],
        shell:
            "{params.command} 2> {log:q}"

    rule meta_sensitivity:
        input:
            inputs("meta_sensitivity"),
        output:
            outputs("meta_sensitivity"),
        log:
            "logs/meta_sensitivity.log",
        benchmark:
            "benchmarks/meta_sensitivity.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("meta_sensitivity")
        resources:
            mem_mb=memory("meta_sensitivity"),
            runtime=minutes("meta_sensitivity"),
        params:
            command=command("meta_sensitivity"),
            version=PLAN["version"],
        shell:
            "{params.command} 2> {log:q}"


if has("sensitivity"):

    rule sensitivity:
        input:
            inputs("sensitivity"),
        output:
            outputs("sensitivity"),
        log:
            "logs/sensitivity.log",
        benchmark:
            "benchmarks/sensitivity.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("sensitivity")
        resources:
            mem_mb=memory("sensitivity"),
            runtime=minutes("sensitivity"),
        params:
            command=command("sensitivity"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} --mem-mb {resources.mem_mb} 2> {log:q}"
