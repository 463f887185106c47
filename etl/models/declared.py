"""Which base models a repository declares, in its tags (`base_model:finetune:owner/name`) and in its card.

Cards are written by hand: a name may be one or a list, an address of the Hub, or in another case than the id.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from etl.lake.schemas import BASE_MODEL
from etl.models.weights import let

_TAG = r"^base_model:(?:([a-z_]+):(?!//))?(.+)$"
"""A tag's relation, where it has one, and the base's name, which may be an address."""
_AROUND = r"""^[\s\u00a0\u200b"'`]+|[\s\u00a0\u200b"'`]+$"""
_HOST = r"(?i)^(?:https?:)?(?://)?(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)/"
_PLACE = r"^([^/?#@]+(?:/[^/?#@]+)?)(?:/(?:tree|blob|resolve|raw|commits?|discussions)(?:/.*)?|/|[?#@].*)*$"
"""An id, and what follows it in an address: a branch, a file, a query."""
_NOTHING = ("", "none", "null", "n/a")
_LONGEST = 200
MOST = 100
"""Declared bases that are looked at; the record has them all. Comparing each with each must stay cheap."""


def base_models(model_id: Column, tags: Column, card_bases: Column, card_relation: Column) -> Column:
    """Return the declared base models, each once whatever its case, with the relation where one is declared.

    `card_bases` is the card's base_model as JSON text or plain text. What tags relate comes first, and theirs is
    the relation that stands. A model that names itself is left out.
    """
    tagged = F.transform(
        F.filter(tags, lambda tag: tag.startswith("base_model:")),
        lambda tag: _base(F.regexp_extract(tag, _TAG, 2), F.nullif(F.regexp_extract(tag, _TAG, 1), F.lit(""))),
    )
    in_card = F.transform(_names(card_bases), lambda name: _base(name, card_relation))

    def together(bases: Column) -> Column:
        related = F.filter(bases, lambda base: base["relation"].isNotNull())
        others = F.filter(bases, lambda base: base["relation"].isNull())
        plain = F.transform(others, lambda base: F.struct(base["model_id"], card_relation.alias("relation")))
        return F.concat(related, plain.cast(bases_type), _or_none(in_card))

    bases_type = f"array<{BASE_MODEL.simpleString()}>"
    return let(let(_or_none(tagged), together), lambda bases: _distinct(model_id, bases))


def _distinct(model_id: Column, bases: Column) -> Column:
    """The first of each name, without the model's own."""
    named = F.filter(
        bases,
        lambda base: ~F.lower(base["model_id"]).isin(*_NOTHING) & (F.lower(base["model_id"]) != F.lower(model_id)),
    )
    return let(
        F.slice(named, 1, MOST),
        lambda few: let(
            F.transform(few, lambda base: F.lower(base["model_id"])),
            lambda names: F.filter(
                few, lambda base, place: F.array_position(names, F.lower(base["model_id"])) == place + 1
            ),
        ),
    )


def _names(card_bases: Column) -> Column:
    """The names in a card: a list in JSON, or text in which commas, semicolons or lines part them."""
    listed = F.when(card_bases.startswith("["), F.from_json(card_bases, "array<string>"))
    return F.coalesce(listed, F.split(card_bases, r"[,;\n]"))


def _base(name: Column, relation: Column) -> Column:
    """A declared base; of an address, the id in it."""
    bare = F.regexp_replace(F.regexp_replace(F.regexp_replace(name, _AROUND, ""), _HOST, ""), _PLACE, "$1")
    return F.struct(F.substring(bare, 1, _LONGEST).alias("model_id"), relation.alias("relation")).cast(BASE_MODEL)


def _or_none(values: Column) -> Column:
    return F.coalesce(values, F.array())
