"""From landed files to `models` in DuckDB's SQL; `$name` stands for what `duckdb_catalogue` fills in."""

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

MACROS = r"""
SET TimeZone = 'UTC';
CREATE MACRO texts(j, otherwise) AS
    CASE WHEN starts_with(j, '[') THEN CASE WHEN json_valid(j) THEN from_json(j, '["VARCHAR"]') END
         ELSE otherwise END;
CREATE MACRO bare(name) AS regexp_replace(regexp_replace(regexp_replace(name, '$around', '', 'g'), '$host', ''),
    '$place', '\1')[1:200];
CREATE MACRO relation_of(tag) AS nullif(regexp_extract(tag, '^base_model:([a-z_]+):(?:[^/]|/[^/]|/$$)', 1), '');
CREATE MACRO base_of(tag) AS
    {model_id: bare(tag[length('base_model:') + coalesce(length(relation_of(tag)) + 1, 0) + 1:]),
     relation: relation_of(tag)};
CREATE MACRO first_of_each(bases, names) AS
    list_filter(bases, lambda b, i: list_position(names, lower(b.model_id)) = i);
CREATE MACRO gate(said, otherwise) AS
    CASE WHEN said IN ('auto', 'manual') THEN said WHEN said = 'true' THEN 'manual' ELSE otherwise END;
CREATE MACRO date_of(said, seen_at) AS
    CASE WHEN try_cast(said AS TIMESTAMPTZ) <= seen_at + INTERVAL 1 DAY THEN try_cast(said AS TIMESTAMPTZ) END;
CREATE MACRO folder(path) AS regexp_extract(path, '^([^/]+)/[^/]+$$', 1);
CREATE MACRO is_safe(path) AS ends_with(path, '.safetensors');
CREATE MACRO total(files) AS coalesce(list_sum(list_transform(files, lambda f: coalesce(f.size, 0))), 0)::BIGINT;
"""

BRONZE = r"""
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

PARSED = r"""
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
        array_to_string(CASE WHEN len(tagged) > 0 THEN tagged
            ELSE texts(said.cardData.license, [said.cardData.license]) END, ',') AS licences,
        CASE WHEN licences = 'other' AND said.cardData.license_name IS NOT NULL THEN said.cardData.license_name
             ELSE licences END AS licence_name,
        CASE WHEN json_valid(model_index) THEN json_extract_string(model_index, '_class_name')
             WHEN model_index IS NULL THEN coalesce(said.config.diffusers._class_name,
                list_filter(tags, lambda t: starts_with(t, 'diffusers:'))[1][11:]) END AS class_name,
        list_sort(list_transform(list_filter(said.siblings, lambda s: s.rfilename IS NOT NULL), lambda s:
            {path: s.rfilename, size: try_cast(s.size AS BIGINT), sha256: s.lfs.sha256})) AS files,
        list_transform(list_filter(tags, lambda t: starts_with(t, 'base_model:')), lambda t: base_of(t))
            AS tagged_bases,
        coalesce(texts(said.cardData.base_model, NULL), regexp_split_to_array(said.cardData.base_model, '[,;\n]'))
            AS card_bases,
        said.cardData.base_model_relation AS relation
    FROM told
), columns AS (
    SELECT listed_id, model_id, said.sha AS revision, said._id AS hub_id,
        coalesce(said.author, regexp_extract(said.id, '^([^/]+)/', 1)) AS author,
        CASE WHEN length(licence_name) > 0 THEN lower(licence_name[1:1000]) END AS licence,
        gate(said.gated, CASE WHEN outcome = 'GATED' THEN 'manual' ELSE 'no' END) AS gated,
        coalesce(try_cast(said.disabled AS BOOLEAN), false) OR coalesce(outcome = 'DISABLED', false) AS disabled,
        coalesce(list_contains(tags, 'not-for-all-audiences'), false) AS nsfw,
        said.library_name AS library, said.pipeline_tag AS pipeline_tag,
        CASE WHEN regexp_matches(class_name, '\A[A-Za-z_][A-Za-z0-9_]{0,99}\z') THEN class_name END
            AS pipeline_class,
        list_filter(list_concat(
                coalesce(list_filter(tagged_bases, lambda b: b.relation IS NOT NULL), []),
                coalesce(list_transform(list_filter(tagged_bases, lambda b: b.relation IS NULL),
                    lambda b: {model_id: b.model_id, relation: relation}), []),
                coalesce(list_transform(card_bases, lambda n: {model_id: bare(n), relation: relation}), [])),
            lambda b: lower(b.model_id) NOT IN ('', 'none', 'null', 'n/a', lower(said.id)))[:100] AS named,
        first_of_each(named, list_transform(named, lambda b: lower(b.model_id))) AS base_models,
        files, list_filter(files, lambda f: regexp_matches(f.path, '$weights')) AS weight_files,
        CASE WHEN outcome IN ('OK', 'RENAMED') THEN total(weight_files) END AS weight_bytes, model_index,
        scheduler_config, tags,
        try_cast(said.downloads AS BIGINT) AS downloads, try_cast(said.likes AS BIGINT) AS likes,
        date_of(said.createdAt, seen_at) AS created_at, date_of(said.lastModified, seen_at) AS last_modified,
        '$crawl_id' AS first_crawl, seen_at AS first_seen, seen_at AS last_seen, true AS is_current,
        CASE WHEN outcome = 'GONE' THEN seen_at END AS withdrawn_at, former
    FROM pieces LEFT JOIN former ON former = listed_id
), components AS (
    SELECT *, CASE WHEN json_valid(model_index) THEN model_index::JSON END AS index,
        coalesce(json_keys(index), []) AS parts,
        list_filter(weight_files, lambda f: CASE WHEN model_index IS NULL
            THEN is_safe(f.path) AND NOT contains(f.path, '/')
            ELSE list_contains(parts, folder(f.path)) AND folder(f.path) <> 'safety_checker' END) AS used,
        list_transform(list_filter(used, lambda f: is_safe(f.path)), lambda f: folder(f.path)) AS safe,
        list_transform(list_filter(used, lambda f: is_safe(f.path) OR NOT list_contains(safe, folder(f.path))),
            lambda f: f.sha256) AS hashes,
        list_filter(parts, lambda p: NOT starts_with(p, '_') AND json_extract_string(index -> p, 0) = 'diffusers'
            AND NOT regexp_matches(json_extract_string(index -> p, 1), '^\w*Scheduler$$')
            AND NOT list_contains(list_transform(used, lambda f: folder(f.path)), p)) AS absent
    FROM columns
)
SELECT * EXCLUDE (index, parts, used, safe, hashes, absent),
    CASE WHEN len(hashes) > 0 AND len(absent) = 0 AND len(list_filter(hashes, lambda h: h IS NULL)) = 0
        THEN sha256(array_to_string(list_sort(list_distinct(hashes)), ',')) END AS weights_sha256, CASE
    WHEN NOT regexp_matches(model_id, '$safe_id') OR regexp_matches(model_id, '$unsafe_id') THEN 'UNSAFE_NAME'
    WHEN len(list_filter(files, lambda f: regexp_matches(f.path, '$unsafe_path'))) > 0 THEN 'UNSAFE_NAME'
    WHEN len(list_distinct(list_transform(files, lambda f: lower(f.path)))) < len(files) THEN 'UNSAFE_NAME'
    WHEN NOT coalesce(regexp_matches(revision, '\A[0-9a-f]{40}\z'), false) THEN 'BAD_RECORD'
    WHEN former IS NOT NULL THEN 'RENAMED' END AS code
FROM components;
COPY (
    SELECT count(*) AS records, count(code) AS rejected, avg((revision IS NULL)::INT), avg((author IS NULL)::INT),
        avg((created_at IS NULL)::INT), avg((last_modified IS NULL)::INT), avg((licence IS NULL)::INT),
        avg((library IS NULL)::INT), avg((pipeline_tag IS NULL)::INT), avg((coalesce(len(tags), 0) = 0)::INT),
        avg((coalesce(len(files), 0) = 0)::INT), avg((downloads IS NULL)::INT), avg((likes IS NULL)::INT)
    FROM parsed
) TO '$out/shape.parquet';
COPY (SELECT * EXCLUDE (listed_id, former, named, code) FROM parsed WHERE code IS NULL)
    TO '$out/models.parquet' (COMPRESSION zstd);
COPY (
    SELECT listed_id[1:300] AS key, code FROM parsed WHERE code IS NOT NULL UNION ALL
    SELECT page || '/' || position, code FROM '$out/hub_records.parquet' WHERE code IS NOT NULL
) TO '$out/rejects.parquet' (COMPRESSION zstd);
DROP TABLE parsed;
"""
