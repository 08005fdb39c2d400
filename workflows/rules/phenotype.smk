rule phenotype:
    input:
        inputs("phenotype"),
    output:
        outputs("phenotype"),
    log:
        "logs/phenotype.log",
    benchmark:
        "benchmarks/phenotype.tsv"
    conda:
        "../envs/pgs-trd.yaml"
    threads: threads("phenotype")
    resources:
        mem_mb=memory("phenotype"),
        runtime=minutes("phenotype"),
    params:
        command=command("phenotype"),
        version=PLAN["version"],
    shell:
        "{params.command} --threads {threads} --mem-mb {resources.mem_mb} 2> {log:q}"
