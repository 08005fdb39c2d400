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


if ("covariates", "") in JOBS:

    rule covariates:
        input:
            JOBS["covariates", ""]["inputs"],
        output:
            JOBS["covariates", ""]["outputs"],
        params:
            command=command("covariates"),
            version=PLAN["version"],
        threads: JOBS["covariates", ""]["threads"]
        resources:
            mem_mb=memory("covariates"),
            runtime=minutes("covariates"),
        log:
            "logs/covariates.log",
        benchmark:
            "benchmarks/covariates.tsv"
        shell:
            "{params.command} --threads {threads} 2> {log:q}"
