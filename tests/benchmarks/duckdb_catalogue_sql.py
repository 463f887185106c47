"""The catalogue's statements in DuckDB's SQL; `$name` stands for what `duckdb_catalogue` fills in."""

from typing import Any

RECORD: dict[str, Any] = {
    **dict.fromkeys(("_id", "id", "author", "sha", "createdAt", "lastModified", "gated", "disabled"), "VARCHAR"),
    **dict.fromkeys(("downloads", "likes", "library_name", "pipeline_tag"), "VARCHAR"),
    "tags": ["VARCHAR"],
    "siblings": [{"rfilename": "VARCHAR", "size": "VARCHAR", "lfs": {"sha256": "VARCHAR"}}],
    "cardData": dict.fromkeys(("license", "license_name", "base_model", "base_model_relation"), "VARCHAR"),
    "config": {"diffusers": {"_class_name": "VARCHAR"}},
}
DETAIL = {"outcome": "VARCHAR", "info": RECORD, "model_index": "VARCHAR", "scheduler": "VARCHAR"}

MACROS = """
SET TimeZone = 'UTC';
CREATE MACRO texts(j) AS
    CASE WHEN starts_with(j, '[') THEN CASE WHEN json_valid(j) THEN from_json(j, '["VARCHAR"]') END ELSE [j] END;
CREATE MACRO gate(said, otherwise) AS
    CASE WHEN said IN ('auto', 'manual') THEN said WHEN said = 'true' THEN 'manual' ELSE otherwise END;
CREATE MACRO date_of(said, seen_at) AS
    CASE WHEN try_cast(said AS TIMESTAMPTZ) <= seen_at + INTERVAL 1 DAY THEN try_cast(said AS TIMESTAMPTZ) END;
CREATE MACRO folder(path) AS regexp_extract(path, '^([^/]+)/[^/]+$$', 1);
CREATE MACRO is_safe(path) AS ends_with(path, '.safetensors');
CREATE MACRO total(files) AS coalesce(list_sum(list_transform(files, lambda f: coalesce(f.size, 0))), 0)::BIGINT;
"""

BRONZE = """
COPY (
    SELECT '$crawl_id' AS crawl_id, p.model_id, page, position, record, d.detail, fetched_at,
        CASE WHEN p.model_id IS NULL THEN 'BAD_RECORD' WHEN twice THEN 'DUPLICATE' END AS code
    FROM read_json($pages, format = 'newline_delimited', columns = {page: 'INTEGER', position: 'INTEGER',
        fetched_at: 'TIMESTAMPTZ', model_id: 'VARCHAR', again: 'BOOLEAN', twice: 'BOOLEAN',
        record: 'JSON'}) p
    LEFT JOIN details d ON d.model_id = p.model_id
    WHERE NOT again OR twice
) TO '$out/hub_records.parquet' (COMPRESSION zstd);
"""

PARSED = """
CREATE TABLE parsed AS
WITH read AS (
    SELECT model_id AS listed_id, fetched_at AS seen_at, from_json(detail, '$detail') AS d,
        from_json(record, '$record') AS r
    FROM '$out/hub_records.parquet' WHERE code IS NULL
), told AS (
    SELECT listed_id, seen_at, d, coalesce(d.info, r) AS said FROM read
), former AS (
    SELECT model_id AS former, json_extract_string(detail, '$$.info.id') AS own,
        own IN (SELECT model_id FROM '$out/hub_records.parquet') AS listed
    FROM '$out/hub_records.parquet' WHERE json_extract_string(detail, 'outcome') = 'RENAMED'
    QUALIFY listed OR row_number() OVER (PARTITION BY own ORDER BY model_id) > 1
), pieces AS (
    SELECT *, list_filter(said.tags, lambda t: length(t) <= 500) AS tags,
        coalesce(said.id, listed_id) AS model_id, d.outcome AS outcome, d.model_index AS model_index,
        d.scheduler AS scheduler_config,
        list_transform(list_filter(tags, lambda t: starts_with(t, 'license:')), lambda t: t[9:]) AS tagged,
        array_to_string(CASE WHEN len(tagged) > 0 THEN tagged ELSE texts(said.cardData.license) END, ',')
            AS licences,
        CASE WHEN licences = 'other' AND said.cardData.license_name IS NOT NULL THEN said.cardData.license_name
             ELSE licences END AS licence_name,
        CASE WHEN json_valid(model_index) THEN json_extract_string(model_index, '_class_name')
             WHEN model_index IS NULL THEN coalesce(said.config.diffusers._class_name,
                list_filter(tags, lambda t: starts_with(t, 'diffusers:'))[1][11:]) END AS class_name,
        list_sort(list_transform(list_filter(said.siblings, lambda s: s.rfilename IS NOT NULL), lambda s:
            {path: s.rfilename, size: try_cast(s.size AS BIGINT), sha256: s.lfs.sha256})) AS files,
        list_transform(list_filter(tags, lambda t: regexp_matches(t, '$related')), lambda t:
            {model_id: regexp_extract(t, '$related', 2), relation: regexp_extract(t, '$related', 1)}) AS related,
        list_distinct(list_concat(
            coalesce(list_transform(list_filter(tags, lambda t: regexp_matches(t, '$unrelated')),
                lambda t: regexp_extract(t, '$unrelated', 1)), []),
            coalesce(texts(said.cardData.base_model), []))) AS named
    FROM told
), columns AS (
    SELECT listed_id, model_id, said.sha AS revision, said._id AS hub_id,
        coalesce(said.author, regexp_extract(said.id, '^([^/]+)/', 1)) AS author,
        CASE WHEN length(licence_name) > 0 THEN lower(licence_name[1:200]) END AS licence,
        gate(said.gated, CASE WHEN outcome = 'GATED' THEN 'manual' ELSE 'no' END) AS gated,
        coalesce(try_cast(said.disabled AS BOOLEAN), false) OR coalesce(outcome = 'DISABLED', false) AS disabled,
        coalesce(list_contains(tags, 'not-for-all-audiences'), false) AS nsfw,
        said.library_name AS library, said.pipeline_tag AS pipeline_tag,
        CASE WHEN regexp_matches(class_name, '\\A[A-Za-z_][A-Za-z0-9_]{0,99}\\z') THEN class_name END
            AS pipeline_class,
        list_filter(list_concat(coalesce(related, []),
            list_transform(list_filter(named, lambda n: NOT coalesce(list_contains(
                list_transform(related, lambda b: b.model_id), n), false)),
                lambda n: {model_id: n, relation: said.cardData.base_model_relation})),
            lambda b: b.model_id <> said.id) AS base_models,
        files, list_filter(files, lambda f: regexp_matches(f.path, '$weights')) AS weight_files,
        CASE WHEN outcome IN ('OK', 'RENAMED') THEN total(weight_files) END AS weight_bytes, model_index,
        scheduler_config, NULL::VARCHAR AS weights_sha256, tags,
        try_cast(said.downloads AS BIGINT) AS downloads, try_cast(said.likes AS BIGINT) AS likes,
        date_of(said.createdAt, seen_at) AS created_at, date_of(said.lastModified, seen_at) AS last_modified,
        '$crawl_id' AS first_crawl, seen_at AS first_seen, seen_at AS last_seen, true AS is_current,
        CASE WHEN outcome = 'GONE' THEN seen_at END AS withdrawn_at, former
    FROM pieces LEFT JOIN former ON former = listed_id
)
SELECT *, CASE
    WHEN NOT regexp_matches(model_id, '$safe_id') OR regexp_matches(model_id, '$unsafe_id') THEN 'UNSAFE_NAME'
    WHEN len(list_filter(files, lambda f: regexp_matches(f.path, '$unsafe_path'))) > 0 THEN 'UNSAFE_NAME'
    WHEN len(list_distinct(list_transform(files, lambda f: lower(f.path)))) < len(files) THEN 'UNSAFE_NAME'
    WHEN NOT coalesce(regexp_matches(revision, '\\A[0-9a-f]{40}\\z'), false) THEN 'BAD_RECORD'
    WHEN former IS NOT NULL THEN 'RENAMED' END AS code
FROM columns;
COPY (SELECT * EXCLUDE (listed_id, former, code) FROM parsed WHERE code IS NULL)
    TO '$out/models.parquet' (COMPRESSION zstd);
COPY (
    SELECT listed_id[1:300] AS key, code FROM parsed WHERE code IS NOT NULL UNION ALL
    SELECT page || '/' || position, code FROM '$out/hub_records.parquet' WHERE code IS NOT NULL
) TO '$out/rejects.parquet' (COMPRESSION zstd);
DROP TABLE parsed;
"""

GENERATORS = """
COPY (
WITH facts AS (
    SELECT *, coalesce(list_contains(list_transform(files, lambda f: f.path), 'model_index.json'), false)
            AS has_index,
        CASE WHEN json_valid(model_index) THEN model_index::JSON END AS index,
        coalesce(json_keys(index), []) AS parts,
        list_filter(weight_files, lambda f: list_contains(parts, folder(f.path))
            AND folder(f.path) <> 'safety_checker') AS weights,
        list_filter(weights, lambda f: is_safe(f.path)) AS safe,
        list_transform(safe, lambda f: folder(f.path)) AS safe_folders,
        list_filter(list_transform(weights, lambda f: folder(f.path)),
            lambda p: NOT list_contains(safe_folders, p)) AS pickled,
        list_filter(safe, lambda f: NOT regexp_matches(f.path, '\\.(fp16|bf16|non_ema)[.-]')) AS plain,
        total(CASE WHEN len(plain) > 0 THEN plain ELSE safe END) AS download_bytes,
        len(list_filter(files, lambda f: regexp_matches(f.path, '(?i)\\.py[co]?$$'))) > 0
            OR starts_with(json_extract_string(index, '_class_name'), '[')
            OR len(list_filter(parts, lambda p: NOT starts_with(p, '_') AND json_type(index -> p) = 'ARRAY'
                AND json_extract_string(index -> p, 0) NOT IN $libraries)) > 0 AS code,
        list_sort(list_distinct(list_transform(safe, lambda f: f.sha256))) AS hashes,
        CASE WHEN len(hashes) > 0 AND len(list_filter(safe, lambda f: f.sha256 IS NULL)) = 0
            THEN sha256(array_to_string(hashes, ',')) END AS same
    FROM '$out/models.parquet'
), oldest AS (
    SELECT same, arg_min(model_id, (coalesce(created_at, TIMESTAMPTZ '9999-01-01'), model_id)) AS oldest
    FROM facts WHERE same IS NOT NULL AND withdrawn_at IS NULL GROUP BY same
)
SELECT model_id AS generator_id, 'hub' AS kind, model_id AS name, model_id, revision, same AS weights_sha256,
    p.architecture, p.family, f.pipeline_class, r.root_model_id, r.root_basis, r.root_certain, r.lineage_depth,
    CASE WHEN json_valid(scheduler_config) THEN json_extract_string(scheduler_config, '_class_name') END
        AS scheduler,
    licence, nsfw, weight_bytes, downloads, created_at AS released_at,
    CASE
        WHEN withdrawn_at IS NOT NULL THEN 'WITHDRAWN'
        WHEN disabled THEN 'DISABLED'
        WHEN gated <> 'no' THEN 'GATED'
        WHEN (NOT $unknown_licence AND licence IS NULL)
            OR len(list_filter(string_split(licence, ','), lambda l: regexp_matches(l, '\\A(?:$barred)\\z'))) > 0
            THEN 'LICENCE'
        WHEN nsfw AND NOT $nsfw THEN 'NOT_FOR_ALL_AUDIENCES'
        WHEN code THEN 'REMOTE_CODE'
        WHEN NOT has_index AND (len(list_filter(tags, lambda t: t = 'lora' OR ends_with(t, '-lora'))) > 0
            OR len(list_filter(base_models, lambda b: b.relation = 'adapter')) > 0 OR library = 'peft')
            THEN 'ADAPTER'
        WHEN NOT has_index THEN 'NOT_DIFFUSERS'
        WHEN weight_bytes IS NULL OR model_index IS NULL THEN 'NO_DETAIL'
        WHEN NOT coalesce(f.pipeline_class IN $sampled, false) THEN 'UNSUPPORTED_PIPELINE'
        WHEN len(pickled) > 0 OR len(safe) = 0 THEN 'PICKLE_ONLY'
        WHEN download_bytes / 1e9 > $max_gb THEN 'TOO_LARGE'
        WHEN oldest <> model_id THEN 'COPY' END AS reason,
    reason IS NULL AS eligible, now() AS updated_at
FROM facts f LEFT JOIN oldest USING (same) LEFT JOIN roots r USING (model_id)
LEFT JOIN (SELECT model_id AS root_model_id, pipeline_class FROM '$out/models.parquet') c USING (root_model_id)
LEFT JOIN pipelines p ON p.name = coalesce(f.pipeline_class, c.pipeline_class)
) TO '$out/generators.parquet' (COMPRESSION zstd);
"""

GOLD = """
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
"""
