rule report:
    input:
        inputs("report"),
    output:
        outputs("report"),
    log:
        "logs/report.log",
    benchmark:
        "benchmarks/report.tsv"
    conda:
        "../envs/pgs-trd.yaml"
    threads: threads("report")
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        command=command("report"),
        version=PLAN["version"],
    shell:
        "{params.command} 2> {log:q}"
