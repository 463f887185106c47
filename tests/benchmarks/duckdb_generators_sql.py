"""From `models` to generators and gold in DuckDB's SQL; `$name` stands for what `duckdb_catalogue` fills in."""

JUDGED = r"""
CREATE TABLE judged AS
WITH facts AS (
    SELECT *, coalesce(list_contains(list_transform(files, lambda f: f.path), 'model_index.json'), false)
            AS has_index,
        len(list_filter(files, lambda f: is_safe(f.path))) = 0 AS no_safe,
        CASE WHEN json_valid(model_index) THEN model_index::JSON END AS index,
        coalesce(json_keys(index), []) AS parts, json_extract_string(index, '_class_name') AS class_name,
        list_filter(weight_files, lambda f: list_contains(parts, folder(f.path))
            AND folder(f.path) <> 'safety_checker') AS used,
        list_filter(used, lambda f: is_safe(f.path)) AS safe,
        list_filter(list_distinct(list_transform(used, lambda f: folder(f.path))),
            lambda p: NOT list_contains(list_transform(safe, lambda f: folder(f.path)), p)) AS pickled,
        list_filter(safe, lambda f: NOT regexp_matches(f.path, '\.(fp16|bf16|non_ema)[.-]')) AS plain,
        total(CASE WHEN len(plain) > 0 THEN plain ELSE safe END) AS download_bytes,
        list_filter(list_transform(list_filter(parts, lambda p: NOT starts_with(p, '_')
                AND json_type(index -> p) = 'ARRAY'), lambda p: json_extract_string(index -> p, 0)),
            lambda library: library NOT IN $libraries)[1] AS foreign_library,
        list_filter(list_transform(files, lambda f: f.path), lambda p: regexp_matches(p, '(?i)\.py[co]?$$'))[1]
            AS script,
        CASE WHEN regexp_matches(class_name, '^[\[{]') THEN 'pipeline class of its own: ' || class_name
             WHEN script IS NOT NULL THEN 'holds Python code: ' || script
             ELSE 'a component from elsewhere: ' || foreign_library END AS code,
        coalesce(len(list_filter(tags, lambda t: t = 'lora' OR ends_with(t, '-lora'))) > 0, false)
            OR coalesce(len(list_filter(base_models, lambda b: b.relation = 'adapter')) > 0, false)
            OR coalesce(library = 'peft', false) AS is_adapter,
        CASE WHEN json_valid(scheduler_config) THEN scheduler_config::JSON END AS scheduler_index,
        p.family AS class_family
    FROM '$out/models.parquet' m LEFT JOIN pipelines p ON p.name = m.pipeline_class
), oldest AS (
    SELECT weights_sha256, arg_min(model_id, (coalesce(created_at, TIMESTAMPTZ '9999-01-01'), model_id)) AS oldest
    FROM facts WHERE weights_sha256 IS NOT NULL AND withdrawn_at IS NULL GROUP BY 1
), reasons AS (
    SELECT *, CASE
        WHEN withdrawn_at IS NOT NULL THEN 'WITHDRAWN'
        WHEN disabled THEN 'DISABLED'
        WHEN gated <> 'no' THEN 'GATED'
        WHEN regexp_matches(model_id, '\A(?:$excluded)\z') THEN 'EXCLUDED'
        WHEN (NOT $unknown_licence AND licence IS NULL) OR len(list_filter(string_split(licence, ','),
            lambda l: regexp_matches(l, '(?i)\A(?:$barred)\z'))) > 0 THEN 'LICENCE'
        WHEN nsfw AND NOT $nsfw THEN 'NOT_FOR_ALL_AUDIENCES'
        WHEN code IS NOT NULL THEN 'REMOTE_CODE'
        WHEN NOT has_index AND is_adapter THEN 'ADAPTER'
        WHEN NOT has_index THEN 'NOT_DIFFUSERS'
        WHEN (weight_bytes IS NULL OR model_index IS NULL)
            AND NOT (coalesce(pipeline_class NOT IN $sampled, false) OR no_safe) THEN 'NO_DETAIL'
        WHEN NOT coalesce(pipeline_class IN $sampled, false) THEN 'UNSUPPORTED_PIPELINE'
        WHEN len(pickled) > 0 OR coalesce(len(safe), 0) = 0 THEN 'PICKLE_ONLY'
        WHEN download_bytes / 1e9 > $max_gb THEN 'TOO_LARGE'
        WHEN oldest <> model_id THEN 'COPY' END AS reason
    FROM facts LEFT JOIN oldest USING (weights_sha256)
), adapted AS (
    SELECT model_id, list_transform(list_filter(base_models, lambda b: b.relation = 'adapter'),
        lambda b: b.model_id) AS bases
    FROM reasons WHERE reason = 'ADAPTER'
), named AS (
    SELECT model_id, unnest(bases) AS base, generate_subscripts(bases, 1) AS place FROM adapted
), laid AS (
    SELECT n.model_id, arg_min(u.pipeline_class, place) AS base_class,
        arg_min(u.download_bytes, place) AS base_bytes
    FROM named n JOIN reasons u ON u.model_id = n.base
    WHERE u.reason IS NULL AND u.pipeline_class IN $adaptable GROUP BY 1
), pairs AS (
    SELECT r.*, base_class,
        list_filter(files, lambda f: is_safe(f.path) AND NOT contains(f.path, '/')) AS beside,
        base_bytes + total(beside) AS both_bytes
    FROM reasons r LEFT JOIN laid USING (model_id)
), verdicts AS (
    SELECT * REPLACE (
        CASE WHEN base_class IS NULL THEN download_bytes ELSE both_bytes END AS download_bytes,
        CASE WHEN base_class IS NULL THEN reason WHEN weight_bytes IS NULL THEN 'NO_DETAIL'
            WHEN coalesce(len(beside), 0) = 0 THEN 'PICKLE_ONLY' WHEN both_bytes / 1e9 > $max_gb THEN 'TOO_LARGE'
            WHEN oldest <> model_id THEN 'COPY' END AS reason)
    FROM pairs
)
SELECT model_id, revision, weights_sha256, coalesce(pipeline_class, base_class) AS pipeline_class, licence, nsfw,
    weight_bytes, download_bytes, downloads,
    created_at, list_transform(base_models, lambda b: b.model_id) AS bases,
    json_extract_string(scheduler_index, '_class_name')[1:100] AS scheduler,
    CASE WHEN class_family = 'SD 1.x' AND json_extract_string(scheduler_index, 'prediction_type') = 'v_prediction'
        THEN 'SD 2.x' ELSE class_family END AS family,
    (verdicts.pipeline_class IS NULL AND is_adapter)
        OR coalesce(len(list_filter(tags, lambda t: t IN ('gguf', 'bitsandbytes', '4-bit', '8-bit'))) > 0, false)
        OR coalesce(len(list_filter(base_models, lambda b: b.relation = 'quantized')) > 0, false) AS derived,
    reason, CASE reason
        WHEN 'WITHDRAWN' THEN 'gone from the Hub, or under another name'
        WHEN 'DISABLED' THEN 'the Hub has disabled it'
        WHEN 'GATED' THEN format('access is granted by its owner ({})', gated)
        WHEN 'EXCLUDED' THEN 'named by the policy'
        WHEN 'LICENCE' THEN 'licence: ' || coalesce(licence, 'none')
        WHEN 'NOT_FOR_ALL_AUDIENCES' THEN 'tagged not-for-all-audiences'
        WHEN 'REMOTE_CODE' THEN code
        WHEN 'ADAPTER' THEN 'adapts ' || coalesce(base_models[1].model_id, 'an unnamed model')
        WHEN 'NOT_DIFFUSERS' THEN 'no model_index.json'
        WHEN 'NO_DETAIL' THEN 'its files could not be listed; the next sweep asks again'
        WHEN 'UNSUPPORTED_PIPELINE' THEN 'pipeline class: ' || coalesce(pipeline_class, 'none')
        WHEN 'PICKLE_ONLY' THEN 'no safetensors in ' || CASE WHEN len(pickled) > 0
            THEN array_to_string(pickled[:5], ', ') ELSE 'any component' END
        WHEN 'TOO_LARGE' THEN printf('%.1f GB to download, at most %g', download_bytes / 1e9, $max_gb::DOUBLE)
        WHEN 'COPY' THEN 'the same weights as ' || oldest END[1:500] AS detail
FROM verdicts;
"""

GENERATORS = r"""
COPY (
SELECT model_id AS generator_id, 'hub' AS kind, model_id AS name, model_id, revision, weights_sha256,
    a.architecture, r.family, pipeline_class, root_model_id, root_basis, root_certain, lineage_depth, scheduler,
    licence, nsfw, weight_bytes, download_bytes, downloads, created_at AS released_at,
    reason IS NULL AS eligible, reason, detail, now() AS updated_at
FROM judged JOIN roots r USING (model_id) LEFT JOIN architectures a ON a.family = r.family
) TO '$out/generators.parquet' (COMPRESSION zstd);
DROP TABLE judged;
"""

GOLD = r"""
CREATE TABLE known AS
    SELECT g.*, m.gated, m.base_models FROM '$out/generators.parquet' g
    JOIN (SELECT model_id, gated, base_models FROM '$out/models.parquet' WHERE withdrawn_at IS NULL) m
    USING (model_id);
COPY (
WITH pairs AS (
    SELECT unnest([{dimension: 'licence', value: licence}, {dimension: 'gated', value: gated},
        {dimension: 'family', value: family}, {dimension: 'architecture', value: architecture},
        {dimension: 'pipeline_class', value: pipeline_class},
        {dimension: 'verdict', value: coalesce(reason, 'ELIGIBLE')}, {dimension: 'scheduler', value: scheduler}],
        recursive := true), eligible, downloads
    FROM known
), counted AS (
    SELECT dimension, coalesce(value, 'unknown') AS value, count(*) AS models, count_if(eligible) AS eligible,
        coalesce(sum(downloads), 0) AS downloads
    FROM pairs GROUP BY ALL
), ranked AS (
    SELECT *, sum(models) OVER (PARTITION BY dimension) AS total,
        row_number() OVER (PARTITION BY dimension ORDER BY models DESC, value) AS place
    FROM counted
)
SELECT dimension, CASE WHEN place <= 1000 THEN value ELSE 'all others' END AS value, sum(models) AS models,
    sum(models) / first(total) AS share, sum(eligible) AS eligible, sum(downloads) AS downloads
FROM ranked GROUP BY 1, 2
) TO '$out/gold_catalogue.parquet' (COMPRESSION zstd);
COPY (
SELECT coalesce(strftime(released_at, '%Y-%m'), 'unknown') AS month, coalesce(family, 'unknown') AS family,
    count(*) AS models, count_if(eligible) AS eligible
FROM '$out/generators.parquet' GROUP BY ALL
) TO '$out/gold_growth.parquet' (COMPRESSION zstd);
COPY (
WITH rooted AS (
    SELECT *, model_id <> root_model_id AS descends, CASE WHEN root_basis = 'COPY' THEN 'COPY'
        ELSE list_filter(base_models, lambda b: b.relation IS NOT NULL)[1].relation END AS way
    FROM known WHERE root_model_id IS NOT NULL
)
SELECT root_model_id, mode(family) AS family, coalesce(bool_or(root_certain), false) AS root_certain,
    count_if(descends) AS descendants, count_if(descends AND way = 'adapter') AS adapters,
    count_if(descends AND way = 'finetune') AS finetunes, count_if(descends AND way = 'merge') AS merges,
    count_if(descends AND way = 'quantized') AS quantisations, count_if(descends AND way = 'COPY') AS copies,
    count_if(descends AND eligible) AS eligible, max(lineage_depth) AS depth,
    coalesce(sum(downloads), 0) AS downloads
FROM rooted GROUP BY root_model_id HAVING descendants > 0 ORDER BY descendants DESC, root_model_id LIMIT 5000
) TO '$out/gold_base_models.parquet' (COMPRESSION zstd);
COPY (
SELECT '$crawl_id' AS crawl_id, coalesce(family, 'unknown') AS family, count_if(first_crawl = '$crawl_id') AS new,
    0 AS changed, 0 AS gone, count_if(withdrawn_at IS NULL) AS there
FROM '$out/models.parquet' LEFT JOIN (SELECT model_id, family FROM '$out/generators.parquet') USING (model_id)
GROUP BY ALL
) TO '$out/gold_crawl_history.parquet' (COMPRESSION zstd);
"""
