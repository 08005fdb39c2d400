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


if has("covariates"):

    rule covariates:
        input:
            inputs("covariates"),
        output:
            outputs("covariates"),
        log:
            "logs/covariates.log",
        benchmark:
            "benchmarks/covariates.tsv"
        conda:
            "../envs/pgs-trd.yaml"
        threads: threads("covariates")
        resources:
            mem_mb=memory("covariates"),
            runtime=minutes("covariates"),
        params:
            command=command("covariates"),
            version=PLAN["version"],
        shell:
            "{params.command} --threads {threads} 2> {log:q}"
