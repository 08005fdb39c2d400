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
