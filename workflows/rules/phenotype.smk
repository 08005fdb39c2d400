rule phenotype:
    input:
        config["omop"],
    output:
        phenotype=f"{OUT}/phenotype/phenotype.parquet",
        trials=f"{OUT}/phenotype/trials.parquet",
        follow_up=f"{OUT}/phenotype/follow_up.parquet",
        attrition=f"{OUT}/phenotype/attrition.tsv",
    params:
        definition=config["definition"],
        out=lambda _, output: output.phenotype.rsplit("/", 1)[0],
    threads: 2
    resources:
        mem_mb=lambda _, attempt: 4000 * 2 ** (attempt - 1),
        runtime=60,
    log:
        f"{OUT}/logs/phenotype.log",
    benchmark:
        f"{OUT}/benchmarks/phenotype.tsv"
    shell:
        "pgs-trd phenotype --omop {input:q} --definition {params.definition:q} --out {params.out:q}"
        " --threads {threads} --mem-mb {resources.mem_mb} 2> {log:q}"
