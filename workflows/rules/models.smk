if has("associate_part"):

    rule associate_part:
        input:
            inputs("associate_part"),
        output:
            f"{RESULTS}/models/parts/associate-{{part}}.parquet",
            f"{RESULTS}/models/parts/associate-{{part}}.parquet.json",
        log:
            "logs/associate_part.{part}.log",
        benchmark:
            "benchmarks/associate_part.{part}.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("associate_part")
        resources:
            mem_mb=memory("associate_part"),
            runtime=minutes("associate_part"),
        params:
            command=command("associate_part"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"

    rule stack_association:
        input:
            inputs("stack_association"),
        output:
            outputs("stack_association"),
        log:
            "logs/stack_association.log",
        benchmark:
            "benchmarks/stack_association.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("stack_association")
        resources:
            mem_mb=memory("stack_association"),
            runtime=minutes("stack_association"),
        params:
            command=command("stack_association"),
            version=PLAN["version"],
        shell:
            "{params.command} 2> {log:q}"

else:

    rule associate:
        input:
            inputs("associate"),
        output:
            outputs("associate"),
        log:
            "logs/associate.log",
        benchmark:
            "benchmarks/associate.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("associate")
        resources:
            mem_mb=memory("associate"),
            runtime=minutes("associate"),
        params:
            command=command("associate"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"


if has("progression_part"):

    rule progression_part:
        input:
            inputs("progression_part"),
        output:
            f"{RESULTS}/models/parts/progression-{{part}}.parquet",
            f"{RESULTS}/models/parts/progression-{{part}}.parquet.json",
            f"{RESULTS}/models/parts/progression-{{part}}.ph_tests.parquet",
        log:
            "logs/progression_part.{part}.log",
        benchmark:
            "benchmarks/progression_part.{part}.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("progression_part")
        resources:
            mem_mb=memory("progression_part"),
            runtime=minutes("progression_part"),
        params:
            command=command("progression_part"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"

    rule stack_progression:
        input:
            inputs("stack_progression"),
        output:
            outputs("stack_progression"),
        log:
            "logs/stack_progression.log",
        benchmark:
            "benchmarks/stack_progression.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("stack_progression")
        resources:
            mem_mb=memory("stack_progression"),
            runtime=minutes("stack_progression"),
        params:
            command=command("stack_progression"),
            version=PLAN["version"],
        shell:
            "{params.command} 2> {log:q}"

else:

    rule progression:
        input:
            inputs("progression"),
        output:
            outputs("progression"),
        log:
            "logs/progression.log",
        benchmark:
            "benchmarks/progression.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("progression")
        resources:
            mem_mb=memory("progression"),
            runtime=minutes("progression"),
        params:
            command=command("progression"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"


rule meta:
    input:
        inputs("meta"),
    output:
        f"{RESULTS}/models/{{table}}_meta.parquet",
        f"{RESULTS}/models/{{table}}_meta.parquet.json",
    log:
        "logs/meta.{table}.log",
    benchmark:
        "benchmarks/meta.{table}.tsv"
    conda:
        "../envs/pgs-trd.yaml"
    threads: threads("meta")
    resources:
        mem_mb=memory("meta"),
        runtime=minutes("meta"),
    params:
        command=command("meta"),
        version=PLAN["version"],
    shell:
        "{params.command} 2> {log:q}"
