if ("sensitivity", "") in JOBS:

    rule sensitivity:
        input:
            JOBS["sensitivity", ""]["inputs"],
        output:
            JOBS["sensitivity", ""]["outputs"],
        params:
            command=command("sensitivity"),
            version=PLAN["version"],
        threads: JOBS["sensitivity", ""]["threads"]
        resources:
            mem_mb=memory("sensitivity"),
            runtime=minutes("sensitivity"),
        log:
            "logs/sensitivity.log",
        benchmark:
            "benchmarks/sensitivity.tsv"
        shell:
            "{params.command} --threads {threads} --mem-mb {resources.mem_mb} 2> {log:q}"


rule report:
    input:
        JOBS["report", ""]["inputs"],
    output:
        JOBS["report", ""]["outputs"],
    params:
        command=command("report"),
        version=PLAN["version"],
    threads: JOBS["report", ""]["threads"]
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    log:
        "logs/report.log",
    benchmark:
        "benchmarks/report.tsv"
    shell:
        "{params.command} 2> {log:q}"
