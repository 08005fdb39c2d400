rule score:
    input:
        genotypes=config["genotypes"],
        weights=config["weights"],
    output:
        scores=f"{OUT}/scores/scores.parquet",
        match=f"{OUT}/scores/scores.match.parquet",
        summary=f"{OUT}/scores/scores.summary.parquet",
    params:
        weights=lambda _, input: [part for path in input.weights for part in ("--weights", path)],
    threads: 2
    resources:
        mem_mb=lambda _, attempt: 2000 * 2 ** (attempt - 1),
        runtime=60,
    log:
        f"{OUT}/logs/score.log",
    benchmark:
        f"{OUT}/benchmarks/score.tsv"
    shell:
        "pgs-trd score {input.genotypes:q} {params.weights:q} --out {output.scores:q}"
        " --threads {threads} 2> {log:q}"
