"""Two detectors on the same images: where they differ by generator, and each image on which their verdicts do."""

import streamlit as st

from etl.lake import schemas
from explorer import comparing, detector_charts, filters, page, tracked
from explorer.compare_columns import A_PAGE, FLIPPED, GENERATORS, METRICS, MOST
from explorer.query import query

lake = page.look(schemas.EVALUATIONS, schemas.PREDICTIONS, schemas.GENERATORS)
st.title("Compare")
st.caption("Two detectors on the same images.")
page.need(lake, schemas.EVALUATIONS)
judged = comparing.shared(lake)
if not judged:
    page.empty(
        "No two detectors were judged on the same images yet. `forensics train --training_set NAME --detector "
        "linear_srm` trains another one in seconds, `forensics evaluate --training_set NAME` judges the newest."
    )
    st.stop()

names = {" · ".join(key) if key[1] != "none" else key[0]: key for key in judged}
with st.container(horizontal=True):
    label = filters.always("Images", list(names), "images")
collection, transform = names[label]
runs = judged[collection, transform]
left, right = st.columns(2)
a = filters.always("Detector A", runs, "a", place=left, name=tracked.title)
rest = [run for run in runs if run != a]
b = filters.always("Detector B", rest, "b", place=right, name=tracked.title)
pools = page.rows(
    lake,
    query(
        "select distinct pool from evaluations where run_id = $a and collection = $c "
        "and slice_kind = 'all' order by 1",
        a=a, c=collection,
    ),
)["pool"].to_list()  # fmt: skip
with st.container(horizontal=True):
    pool = filters.always("Judged against", pools, "pool")
    metric_name = filters.one_of("Metric", {name: name for name in METRICS}, "metric")
metric = METRICS[metric_name]

asked_means = comparing.means(a, b, collection, transform, pool)
means = {row["metric"]: row for row in page.rows(lake, asked_means).iter_rows(named=True)}
asked_flips = comparing.flipped(a, b, collection, transform, 1, 0)
first = page.rows(lake, asked_flips)
flips = first["total"][0] if first.height else 0
with st.grid(4, min_column_width=170):
    mean = means.get(metric)
    if mean is None or mean["difference"] is None:
        st.metric(f"Mean {metric_name.lower()}", "–", border=True, help="not defined for both detectors")
    else:
        st.metric("Mean over generators, A", f"{mean['a']:.3f}", border=True)
        st.metric("Mean over generators, B", f"{mean['b']:.3f}", f"{mean['difference']:+.3f}", border=True)
    st.metric("Flipped verdicts", f"{flips:,}", border=True, help="each detector by its own threshold")

st.subheader(f"{metric_name} by generator")
asked = comparing.differences(a, b, collection, transform, pool, metric)
rows = page.rows(lake, asked)
if rows.is_empty():
    page.empty("The two detectors have no generator in common here.")
else:
    known = rows.drop_nulls("difference")
    ends = known if known.height <= MOST else known.head(MOST // 2).vstack(known.tail(MOST // 2))
    cut = (
        f"The {MOST // 2} largest losses and gains of {known.height:,}"
        if known.height > MOST
        else f"{known.height} generators"
    )
    st.caption(f"{cut}; {rows.height - known.height} without a value for both.")
    page.draw(
        detector_charts.differences(ends, metric_name.lower()), f"difference in {metric_name.lower()} by generator"
    )
    picked = page.table(rows, GENERATORS, "differences", made_by=[asked], select=True)
    if picked is not None:
        page.go_to("generators", generator=rows["generator_id"][picked])
    st.caption("For paired 95 % intervals of each difference, by the same draws of one bootstrap:")
    st.code(
        f"forensics compare --runs '[{a}, {b}]' --collection {collection} --transform {transform}",
        language="bash", wrap_lines=True,
    )  # fmt: skip

st.subheader("Images with another verdict")
if not flips:
    page.empty("The two detectors agree on every image that both have scored.")
    st.stop()
turn = filters.turn(flips, A_PAGE)
asked_page = comparing.flipped(a, b, collection, transform, A_PAGE, A_PAGE * turn)
shown = comparing.with_verdicts(page.rows(lake, asked_page))
st.caption(
    f"{flips:,} images, those on which the detectors are furthest apart first. Pick a row to open the image."
)
picked = page.table(shown, FLIPPED, "flipped", made_by=[asked_page], select=True)
if picked is not None:
    page.go_to("image", id=shown["image_id"][picked])
