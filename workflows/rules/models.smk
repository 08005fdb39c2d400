MODEL_OPTIONS = (
    " --scores {input.scores:q} --covariates {input.covariates:q}"
    " --covariate-columns {params.columns:q} --stratum {params.stratum:q} --out {output:q}"
)


rule associate:
    input:
        phenotype=rules.phenotype.output.phenotype,
        scores=rules.score.output.scores,
        covariates=config["covariates"],
    output:
        f"{OUT}/models/association.tsv",
    params:
        columns=config["covariate_columns"],
        stratum=config["stratum"],
        contrasts=config["contrasts"],
    threads: 1
    resources:
        mem_mb=lambda _, attempt: 2000 * 2 ** (attempt - 1),
        runtime=60,
    log:
        f"{OUT}/logs/associate.log",
    benchmark:
        f"{OUT}/benchmarks/associate.tsv"
    shell:
        "pgs-trd associate --phenotype {input.phenotype:q} --contrasts {params.contrasts:q}"
        + MODEL_OPTIONS
        + " 2> {log:q}"


rule progression:
    input:
        follow_up=rules.phenotype.output.follow_up,
        scores=rules.score.output.scores,
        covariates=config["covariates"],
    output:
        f"{OUT}/models/progression.tsv",
    params:
        columns=config["covariate_columns"],
        stratum=config["stratum"],
    threads: 1
    resources:
        mem_mb=lambda _, attempt: 2000 * 2 ** (attempt - 1),
        runtime=60,
    log:
        f"{OUT}/logs/progression.log",
    benchmark:
        f"{OUT}/benchmarks/progression.tsv"
    shell:
        "pgs-trd progression --follow-up {input.follow_up:q}" + MODEL_OPTIONS + " 2> {log:q}"


rule meta:
    input:
        f"{OUT}/models/{{table}}.tsv",
    output:
        f"{OUT}/models/{{table}}_meta.tsv",
    params:
        by=lambda wildcards: "contrast,score" if wildcards.table == "association" else "score",
    threads: 1
    resources:
        mem_mb=lambda _, attempt: 1000 * 2 ** (attempt - 1),
        runtime=10,
    log:
        f"{OUT}/logs/{{table}}_meta.log",
    benchmark:
        f"{OUT}/benchmarks/{{table}}_meta.tsv"
    shell:
        "pgs-trd meta {input:q} --by {params.by:q} --out {output:q} 2> {log:q}"
