"""Medians, ratios, the table and the JSON of what `run` measured."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics

OURS = "Isthmus"


def rows(results, weights_mb):
    """One entry per workload and weight type that anyone did, from {(workload, dtype): {(peer, variant): samples}}.

    A sample is a dict with the figure as "value". Where less is better (seconds, MB), a ratio is turned over, so that
    one above 1 always means that Isthmus is ahead. A ratio is the median of the rounds' own ratios: within a round the
    two were measured one soon after the other.
    """
    table = []
    for (workload, dtype), by_peer in results.items():
        table.append(row(workload.name, dtype, workload.unit, by_peer, workload.unit == "tokens/s"))
        if workload.unit == "MB" and dtype == "f32":
            beyond = {
                key: [entry | {"value": entry["value"] - weights_mb} for entry in samples]
                for key, samples in by_peer.items()
            }
            table.append(row(f"{workload.name} beyond the weights", dtype, "MB", beyond, False))
    return [entry for entry in table if entry["figures"]]


def row(name, dtype, unit, by_peer, more_is_better):
    figures = [figure(peer, variant, samples) for (peer, variant), samples in by_peer.items()]
    figures.sort(key=lambda f: f["median"], reverse=more_is_better)
    ours = next((f for f in figures if f["peer"] == OURS), None)
    for other in figures:
        if ours and other is not ours:
            pairs = zip(ours["samples"], other["samples"])
            other["ratio"] = statistics.median(a / b if more_is_better else b / a for a, b in pairs)
    best = next((f for f in figures if f["peer"] != OURS), None)
    return {
        "workload": name,
        "dtype": dtype,
        "unit": unit,
        "best_peer": best and best["peer"],
        "ratio": best and best.get("ratio"),
        "figures": figures,
    }


def figure(peer, variant, samples):
    values = [entry["value"] for entry in samples]
    extra = {}
    limits = [entry["limit"] for entry in samples if "limit" in entry]
    if limits:
        extra["limit"] = statistics.median(limits)
    tokens = {entry["last_token"] for entry in samples if "last_token" in entry}
    if tokens:
        extra["last_tokens"] = sorted(tokens)
    return {
        "peer": peer,
        "variant": variant,
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "samples": values,
        "peak_mb": max(entry["peak_mb"] for entry in samples),
    } | extra


def document(table, versions, missing, failed, args):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        "machine": machine(),
        "threads": args.threads,
        "rounds": args.rounds,
        "repeat": args.repeat,
        "versions": versions,
        "missing": missing,
        "failed": failed,
        "disagreeing": disagreeing(table),
        "results": table,
    }


def machine():
    info = pathlib.Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else None
    name = model[1] if model else platform.processor()
    return f"{name}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"


def disagreeing(table):
    """{peer: tokens} where the float32 peers that tell chose different first tokens: one of them is wrong."""
    tokens = {
        f["peer"]: f["last_tokens"]
        for entry in table
        if entry["workload"] == "first token" and entry["dtype"] == "f32"
        for f in entry["figures"]
        if "last_tokens" in f
    }
    return tokens if len({token for chosen in tokens.values() for token in chosen}) > 1 else {}


def text(doc):
    peers = [name for name in doc["versions"] if name != OURS]
    header = ["workload", "unit", "weights", OURS, "of its limit", "best peer", "× best", *peers]
    lines = [
        f"{doc['date']}; {doc['machine']}; {doc['threads']} threads; medians of {doc['rounds']} processes,"
        f" each the median of {doc['repeat']} repetitions.",
        "(n×): Isthmus is n times as good, faster or smaller.",
        "",
        line(header),
        line(["---"] * len(header)),
    ]
    lines += [line(cells(entry, peers)) for entry in doc["results"]]
    lines.append("")
    lines += [f"{name} {version}" for name, version in doc["versions"].items()]
    lines += [f"MISSING: {name}: {reason}" for name, reason in doc["missing"].items()]
    lines += [f"FAILED: {label}: {reason}" for label, reason in doc["failed"].items()]
    if doc["disagreeing"]:
        lines.append(f"WRONG: in float32 the first tokens differ: {doc['disagreeing']}")
    return "\n".join(lines)


def cells(entry, peers):
    best_of = {}
    for f in entry["figures"]:
        best_of.setdefault(f["peer"], f)
    ours, best = best_of.get(OURS), best_of.get(entry["best_peer"])
    fraction = f"{ours['median'] / ours['limit']:.2f}" if ours and "limit" in ours else ""
    row_cells = [title(entry["workload"]), entry["unit"], entry["dtype"], number(ours), fraction]
    row_cells += [best["peer"] if best else "", times(best)]
    for name in peers:
        f = best_of.get(name)
        ratio = f" ({times(f)})" if times(f) else ""
        row_cells.append(f"{number(f)} {f['variant']}".rstrip() + ratio if f else "")
    return row_cells


def title(workload):
    """A workload as tables name it: "decode 64+128" is "decode 128 @ 64", 128 tokens after a prompt of 64."""
    return re.sub(r"\bdecode (\d+)\+(\d+)", r"decode \2 @ \1", workload)


def line(row_cells):
    return "| " + " | ".join(row_cells) + " |"


def number(f):
    return f"{f['median']:.3g}" if f and f["median"] < 100 else f"{f['median']:.0f}" if f else "–"


def times(f):
    return f"{f['ratio']:.2f}×" if f and "ratio" in f else ""


def json_text(doc):
    return json.dumps(doc, indent=2, ensure_ascii=False) + "\n"
