"""The model card of an exported network, from its metadata.

The headings are those of Mitchell et al. 2019, Model Cards for Model Reporting (FAT* '19).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from study.model.formats import FORMATS

DASH = "\N{EM DASH}"

_SCORES = {
    "f_med": "F_med",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "auc": "AUC",
}

_ORIGINS = {
    "search": "that of its best epoch in the search",
    "refit": "trained anew after the search, on the training and validation images",
}

_APPEARANCE = {
    "width": "Width, pixels",
    "height": "Height, pixels",
    "mean_grey": "Mean grey level, 0 to 255",
    "grey_deviation": "Standard deviation of grey levels",
}

Metadata = Mapping[str, Any]


def model_card(metadata: Metadata) -> str:
    """Return the card of an exported model as Markdown; names are escaped."""
    sections = {
        "Model details": _details,
        "Intended use": _intended_use,
        "Factors": _factors,
        "Metrics": _metrics,
        "Evaluation data": _evaluation_data,
        "Training data": _training_data,
        "Quantitative analyses": _quantities,
        "Ethical considerations": _ethics,
        "Caveats and recommendations": _caveats,
        "How to use it": _use,
    }
    title = f"# Model card: {escaped(metadata['study'])}, trial {metadata['trial']}"
    parts = [title, *_cautions(metadata)]
    for heading, section in sections.items():
        parts += [f"## {heading}", *section(metadata)]
    return "\n\n".join(parts) + "\n"


def escaped(text: object) -> str:
    """Return text for the middle of a line of Markdown: it shows as it is, on one line."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return re.sub(r"([\\`*_{}\[\]<>#|~&!$@])", r"\\\1", " ".join(plain.split()))


def _cautions(metadata: Metadata) -> Iterator[str]:
    """Return, at the head of the card, what makes its figures mean less than they seem to."""
    grave = [item for item in metadata["warnings"] if item["level"] == "danger"]
    lines = ["**Not a medical device.** Not for diagnosis or treatment; see Intended use."]
    if metadata["synthetic_data"]:
        lines.append("**Synthetic data.** No figure of this card says anything about patients.")
    lines += [f"**{escaped(item['title'])}.** {escaped(item['text'])}" for item in grave]
    yield "\n>\n".join(f"> {line}" for line in lines)


def _details(metadata: Metadata) -> Iterator[str]:
    variant, capacity = metadata["variant"], metadata["capacity"]
    versions = metadata["versions"]["export"]
    origin = _ORIGINS.get(metadata["origin"], metadata["origin"])
    yield _list(
        "A convolutional network for two classes, chosen by a search over small networks.",
        f"{_count(capacity['parameters'])} trainable parameters, {_count(capacity['macs'])} "
        "multiply-accumulates for one image.",
        "Hyperparameters: "
        + ", ".join(f"{_words(name)} {_short(value)}" for name, value in variant.items())
        + ".",
        f"The network is {escaped(origin)}.",
        f"Exported by `study` {escaped(versions.get('study', DASH))} with Keras "
        f"{escaped(versions.get('keras', DASH))} and TensorFlow "
        f"{escaped(versions.get('tensorflow', DASH))}.",
        f"SHA-256 of `{metadata['model']}`: `{metadata['model_digest']}`.",
    )


def _intended_use(metadata: Metadata) -> Iterator[str]:
    positive, negative = escaped(metadata["positive"]), escaped(metadata["negative"])
    yield (
        f"Research on how complex a network for these images should be: it tells {positive} (the "
        f"positive class) from {negative}. Its users are those who study such networks, or who "
        "compare theirs with it."
    )
    yield (
        "It is not a medical device. It has been neither tested nor approved for diagnosis, "
        "screening or treatment, and no decision about a person may rest on it. Images of other "
        "scanners, other organs or other populations are out of its scope."
    )


def _factors(metadata: Metadata) -> Iterator[str]:
    yield (
        "The program knows the images, their classes and which of them belong together. It knows "
        "nothing of age, sex, ethnicity, scanner, operator or hospital, so that no score could be "
        "given for them separately. Each may change how well the network does."
    )
    if found := metadata["training_images"]:
        yield (
            f"The {_count(found['images'])} images of {_count(found['groups'])} groups that "
            f"trained and chose the network, as stored, {_count(found['coloured'])} in colour:"
        )
        middle = found["quantiles_at"].index(0.5)
        rows = [
            [title, *(_short(found[name][k]) for k in (0, middle, -1))]
            for name, title in _APPEARANCE.items()
        ]
        yield _table(["", "Lowest", "Median", "Highest"], rows)


def _metrics(metadata: Metadata) -> Iterator[str]:
    threshold = metadata["threshold"]
    positive, negative = escaped(metadata["positive"]), escaped(metadata["negative"])
    yield (
        f"Sensitivity is the recall of {positive}, specificity that of {negative}, F_med their "
        f"harmonic mean. A missed image of {positive} is a false negative (type II error). "
        "Intervals are of 95 % and count images of one group as fewer than they are."
    )
    how = {
        "fixed": "fixed",
        "folds": "chosen on out-of-fold predictions",
        "validation": "chosen on the validation images",
    }
    yield (
        f"An image is called {positive} when its probability is {threshold['value']:.6g} or "
        f"above. This threshold is {how[threshold['source']]} (rule `{threshold['rule']}`)."
    )
    rows = [
        [_SCORES[name], *_value(found)]
        for name in ("sensitivity", "specificity")
        if (found := threshold[name]) is not None
    ]
    if rows:
        yield _table(["At this threshold", "Value", "95 % interval"], rows)
    yield _list(*(escaped(note) for note in threshold["notes"]))


def _evaluation_data(metadata: Metadata) -> Iterator[str]:
    split = metadata["split"]
    parts = ", ".join(
        f"{escaped(name)} {_count(part['images'])} images of {_count(part['groups'])} groups"
        for name, part in split["parts"].items()
    )
    yield f"The split is {escaped(split['kind'])}: {parts}."
    leaking = metadata["leaking_groups"]
    yield (
        f"{_count(leaking)} groups of images that belong together lie in more than one part: "
        "scores reward recognising the same lesion again."
        if leaking
        else "No group of images that are known to belong together lies in more than one part."
    )


def _training_data(metadata: Metadata) -> Iterator[str]:
    data, augmentation = metadata["data"], metadata["protocol"]["augmentation"]
    classes = ", ".join(f"{_count(n)} {escaped(name)}" for name, n in data["classes"].items())
    yield _list(
        f"Data set: {escaped(data['name'])}, {_count(data['images'])} images ({classes}) of "
        f"{_count(data['groups'])} groups.",
        f"Licence of the data: {escaped(data['licence'])}.",
        *([f"Source: {escaped(data['citation'])}."] if data["citation"] else []),
        "Augmentation in training: "
        + ", ".join(f"{_words(name)} {_short(value)}" for name, value in augmentation.items())
        + ".",
    )
    if findings := metadata["findings"]:
        yield "What the audit of the data found:"
        yield _list(*(f"{_words(item['grade'])}: {escaped(item['message'])}" for item in findings))
    else:
        yield "The audit of the data found nothing, or there was none."


def _quantities(metadata: Metadata) -> Iterator[str]:
    metrics = metadata["metrics"]
    looks = int((metrics["retest"] or {}).get("uses") or 1)
    sets = {
        "retest": f"Test images, which no training{' and no choice' * (looks == 1)} has seen",
        "validation": "Validation images, on which the epoch and the network were chosen: too high",
    }
    for name, words in sets.items():
        found = metrics[name]
        if found is None:
            continue
        rows = [
            [title, *_value({"value": found[score], **_ends(found["intervals"].get(score))})]
            for score, title in _SCORES.items()
            if found.get(score) is not None
        ]
        yield (
            f"{words} ({_count(found['images'])} images of {_count(found['groups'])} groups, "
            "threshold 0.5):"
        )
        yield _table(["Score", "Value", "95 % interval"], rows)
    if metrics["retest"] is None:
        opened = int(metrics.get("test_openings") or 0)
        before = (
            f", though the test part has been opened {opened} time{'s' if opened > 1 else ''}, for "
            "another network or without an answer"
        )
        yield (
            f"This network has met no test images{before if opened else ''}: no figure here is "
            "free of selection."
        )
    elif int(metrics["retest"].get("uses") or 1) > 1:
        yield (
            f"The test part has been used {metrics['retest']['uses']} times: its interval is too "
            "favourable."
        )
    yield from _estimates(metrics["estimates"] or {})


def _estimates(found: Mapping[str, Any]) -> Iterator[str]:
    """Return what the search's own score is worth once the search is allowed for."""
    score, rows = found.get("validation_f_med"), []
    if (corrected := found.get("corrected_f_med")) is not None:
        title = f"Corrected for bias by a bootstrap, from {escaped(corrected.get('from'))}"
        rows.append([title, *_value(corrected)])
    if (folds := found.get("cross_validated_f_med")) is not None:
        error = folds.get("standard_error")
        said = DASH if error is None else f"standard error {error:.3f}"
        rows.append(["Cross-validated", f"{folds['mean']:.3f}", said])
    if score is not None:
        yield (
            f"In the search its F_med was {score:.3f}, on augmented validation images: it was "
            f"chosen for that, so it is too high{'. What it is worth:' if rows else '.'}"
        )
    if rows:
        yield _table(["Estimate of F_med", "Value", "How sure"], rows)


def _ethics(metadata: Metadata) -> Iterator[str]:
    positive = escaped(metadata["positive"])
    yield (
        f"A missed image of {positive} and a false alarm harm people in different ways; F_med "
        "weighs both alike, which no clinical decision does. The images may come from people: "
        "their licence, and what was agreed with them, bind whoever passes them on or trains on "
        "them. The exported files hold the network's weights and no image."
    )


def _caveats(metadata: Metadata) -> Iterator[str]:
    said = {finding["message"] for finding in metadata["findings"]}
    yield _list(
        *(
            f"{escaped(item['title'])}: {escaped(item['text'])}"
            for item in metadata["warnings"]
            if item["level"] != "danger" and item["text"] not in said
        ),
        "A probability of the network is not calibrated: it orders images, and is no chance of "
        "disease.",
        "Test it on images of your own scanner and population, grouped by patient, before you "
        "believe any score.",
    )


def _use(metadata: Metadata) -> Iterator[str]:
    shape = metadata["preprocessing"]["input"]["shape"][1:]
    size = metadata["preprocessing"]
    grey = "one channel of grey" if size["channels"] == 1 else "three channels of colour"
    yield (
        f"`images` is a NumPy array of float32, (n, {', '.join(map(str, shape))}): height, width "
        f"and {grey}, levels 0 to 255, not rescaled. Images are fitted by `{size['fit']}` to "
        f"{size['width']} x {size['height']} pixels with Pillow's `{size['resize_filter']}`; "
        "`metadata.json` gives the decoding in full. `study predict` does all of it."
    )
    for name, stored in metadata["formats"].items():
        yield (
            f"`{stored['path']}` ({name}), largest difference from the network's probabilities on "
            f"{_count(stored['images'])} validation images {stored['largest_difference']:.1e}:"
        )
        yield f"```python\n{FORMATS[name].use}\n```"


def _list(*lines: str) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(titles: list[str], rows: list[list[str]]) -> str:
    head = [titles, ["---"] * len(titles)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])


def _value(found: Mapping[str, Any]) -> list[str]:
    """Return a score and its interval for a table."""
    low, high = found.get("low"), found.get("high")
    between = DASH if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return [f"{found['value']:.3f}", between]


def _ends(bounds: Any) -> dict[str, float]:
    return {} if bounds is None else {"low": bounds[0], "high": bounds[1]}


def _words(name: object) -> str:
    return escaped(str(name).replace("_", " "))


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " to ".join(_short(item) for item in value)
    return escaped(value)


def _count(value: Any) -> str:
    return DASH if value is None else f"{value:,}"
