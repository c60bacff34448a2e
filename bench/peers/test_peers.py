"""python3 -m unittest, in this folder"""

import json
import types
import unittest

import report
from peers import Isthmus, LlamaCpp, Workload

DECODE = Workload("8 x decode 64+128", 64, 128, batch=8)
MEMORY = Workload("memory", 896, 64, unit="MB")
BENCH = [
    {
        "workload": "decode 64+128",
        "dtype": dtype,
        "batch": batch,
        "threads": 2,
        "limit": 70.0 * batch,
        "tokens_per_second": {"median": 50.0 * batch, "min": 49.0, "max": 51.0},
    }
    for dtype in ("f32", "int8")
    for batch in (1, 8)
]


def samples(*values):
    return [{"value": value, "peak_mb": 500.0} for value in values]


def document(rows, missing=None):
    versions = {"Isthmus": "1.0", "A": "1.0", "B": "1.0"}
    return report.document(rows, versions, missing or {}, {}, types.SimpleNamespace(threads=2, rounds=2, repeat=5))


class PeersTest(unittest.TestCase):
    def test_the_measurement_of_the_workload_weight_type_and_batch_is_found(self):
        read = Isthmus().read(json.dumps(BENCH), "int8", DECODE)
        self.assertEqual(read, {"median": 400.0, "limit": 560.0})

    def test_a_measurement_that_is_not_there_is_an_error(self):
        with self.assertRaises(ValueError):
            Isthmus().read(json.dumps(BENCH), "q4", DECODE)

    def test_llama_cpp_prints_speeds_that_are_not_numbers_where_nothing_was_decoded(self):
        output = '{"pp": 8, "speed_pp": 700.5, "speed_tg": -nan}\n{"pp": 8, "speed_pp": 701.5, "speed_tg": -nan}\n'
        self.assertEqual(LlamaCpp().read(output, "f32", Workload("prefill 8", 8)), {"median": 701.0})
        with self.assertRaises(ValueError):
            LlamaCpp().read(output, "f32", DECODE)

    def test_a_ratio_pairs_the_samples_of_a_round(self):
        # The medians' ratio would be 25 / 17.5.
        (row,) = report.rows({(DECODE, "f32"): {("Isthmus", ""): samples(10, 40), ("A", ""): samples(5, 30)}}, 0)
        self.assertAlmostEqual(row["ratio"], (10 / 5 + 40 / 30) / 2)

    def test_the_best_variant_of_the_best_peer_counts_and_less_is_better_for_memory(self):
        by_peer = {
            ("Isthmus", ""): samples(600),
            ("A", "x"): samples(900),
            ("A", "y"): samples(660),
            ("B", ""): samples(700),
        }
        whole, beyond = report.rows({(MEMORY, "f32"): by_peer}, 500)
        self.assertEqual((whole["best_peer"], whole["ratio"]), ("A", 1.1))
        self.assertEqual((beyond["best_peer"], beyond["ratio"]), ("A", 1.6))
        self.assertIn("660 y (1.10×)", report.text(document([whole])))

    def test_missing_peers_are_named_and_ratios_without_isthmus_left_out(self):
        rows = report.rows({(DECODE, "f32"): {("A", ""): samples(7)}}, 0)
        self.assertIsNone(rows[0]["ratio"])
        self.assertIn("MISSING: Isthmus: no JDK", report.text(document(rows, {"Isthmus": "no JDK"})))

    def test_tables_name_the_depth_after_the_count_and_json_keeps_the_name(self):
        (row,) = report.rows({(DECODE, "f32"): {("Isthmus", ""): samples(7)}}, 0)
        self.assertEqual(row["workload"], "8 x decode 64+128")
        self.assertIn("| 8 x decode 128 @ 64 |", report.text(document([row])))

    def test_peers_that_choose_another_first_token_are_told(self):
        def first(*tokens):
            workload = Workload("first token", 32, unit="s")
            by_peer = {(n, ""): [{"value": 1, "peak_mb": 1, "last_token": t}] for n, t in zip("AB", tokens)}
            return report.disagreeing(report.rows({(workload, "f32"): by_peer}, 0))

        self.assertEqual(first(7, 7), {})
        self.assertEqual(first(7, 8), {"A": [7], "B": [8]})


if __name__ == "__main__":
    unittest.main()
