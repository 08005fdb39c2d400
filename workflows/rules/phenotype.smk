rule phenotype:
    input:
        JOBS["phenotype", ""]["inputs"],
    output:
        JOBS["phenotype", ""]["outputs"],
    params:
        command=command("phenotype"),
        version=PLAN["version"],
    threads: JOBS["phenotype", ""]["threads"]
    resources:
        mem_mb=memory("phenotype"),
        runtime=minutes("phenotype"),
    log:
        "logs/phenotype.log",
    benchmark:
        "benchmarks/phenotype.tsv"
    shell:
        "{params.command} --threads {threads} --mem-mb {resources.mem_mb} 2> {log:q}"
