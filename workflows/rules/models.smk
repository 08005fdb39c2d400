rule associate:
    input:
        JOBS["associate", ""]["inputs"],
    output:
        JOBS["associate", ""]["outputs"],
    params:
        command=command("associate"),
        version=PLAN["version"],
    threads: JOBS["associate", ""]["threads"]
    resources:
        mem_mb=memory("associate"),
        runtime=minutes("associate"),
    log:
        "logs/associate.log",
    benchmark:
        "benchmarks/associate.tsv"
    shell:
        "{params.command} --threads {threads} 2> {log:q}"


rule progression:
    input:
        JOBS["progression", ""]["inputs"],
    output:
        JOBS["progression", ""]["outputs"],
    params:
        command=command("progression"),
        version=PLAN["version"],
    threads: JOBS["progression", ""]["threads"]
    resources:
        mem_mb=memory("progression"),
        runtime=minutes("progression"),
    log:
        "logs/progression.log",
    benchmark:
        "benchmarks/progression.tsv"
    shell:
        "{params.command} --threads {threads} 2> {log:q}"


rule meta:
    input:
        lambda wildcards: JOBS["meta", wildcards.table]["inputs"],
    output:
        f"{PLAN['output']}/models/{{table}}_meta.parquet",
        f"{PLAN['output']}/models/{{table}}_meta.parquet.json",
    params:
        command=lambda wildcards: command("meta", wildcards.table),
        version=PLAN["version"],
    threads: 1
    resources:
        mem_mb=memory("meta", "association"),
        runtime=minutes("meta", "association"),
    log:
        "logs/meta.{table}.log",
    benchmark:
        "benchmarks/meta.{table}.tsv"
    shell:
        "{params.command} 2> {log:q}"
