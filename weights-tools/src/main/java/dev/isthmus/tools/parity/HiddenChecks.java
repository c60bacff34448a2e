package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.ForwardObserver;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * Checks of what passes between the layers. Tolerances are those that the entries state; the bounds on the float64
 * boundaries, for which there is none, are what float32 rounding makes of outlier channels around 3000.
 */
final class HiddenChecks {

    private HiddenChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        return switch (entry.id()) {
            case "habu-f64-hello-boundaries" -> boundaries(expected, ids);
            case "bumblebee-base-hidden" -> slice(expected, ids);
            case "kerashub-quick-brown-fox" -> firstOfFinalNorm(expected, ids);
            case "cuda-wte-15496" -> OperatorChecks.embedding(ids, expected.get("values").numbers());
            case "cuda-ln1-of-wte-15496" -> OperatorChecks.layerNorm(ids, expected.get("values").numbers());
            case "cuda-cfc0-of-wte-15496" -> OperatorChecks.feedForwardInput(ids, expected.get("values").numbers());
            case "cuda-attn0-of-wte" -> OperatorChecks.attention(ids, expected.get("token0_first5").numbers(),
                    expected.get("token2_first5").numbers());
            default -> throw new NoSuchElementException(entry.id() + ": unknown hidden state " + expected.names());
        };
    }

    /** One boundary of the float64 reference: its first element, its sum and its sum of squares. */
    private record Boundary(String name, double first, double sum, double squares) {

        static Boundary of(Tree tree) {
            return new Boundary(tree.get("name").text(), tree.get("element0").number(), tree.get("sum").number(),
                    tree.get("sumsq").number());
        }

        void compare(Comparison comparison, double[] values) {
            comparison.near(name + ", element 0", first, values[0], 1e-3);
            comparison.near(name + ", sum", sum, Arrays.stream(values).sum(), 1e-2 + 1e-5 * Math.abs(sum));
            comparison.near(name + ", sum of squares", squares, Arrays.stream(values).map(x -> x * x).sum(),
                    1e-2 + 1e-4 * squares);
        }
    }

    private static Check boundaries(Tree expected, int[] ids) {
        List<Boundary> boundaries = expected.get("boundaries").list().stream().map(Boundary::of).toList();
        return subject -> {
            Comparison comparison = new Comparison();
            int[] seen = {0};
            subject.observe(ids, new ForwardObserver() {
                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    boundaries.get(boundary).compare(comparison, values);
                    seen[0]++;
                }
            });
            comparison.equal("boundaries", boundaries.size(), seen[0]);
            return comparison.outcome();
        };
    }

    private static Check slice(Tree expected, int[] ids) {
        double[][] values = expected.get("values").list().stream().map(Tree::numbers).toArray(double[][]::new);
        return finalNorm(ids, (comparison, position, state) -> {
            for (int i = 0; position >= 1 && position <= values.length && i < values[0].length; i++) {
                comparison.near("channel " + (i + 1) + " at position " + position, values[position - 1][i],
                        state[i + 1], 1e-4 + 1e-4 * Math.abs(values[position - 1][i]));
            }
        });
    }

    private static Check firstOfFinalNorm(Tree expected, int[] ids) {
        double[] values = expected.get("values").numbers();
        return finalNorm(ids, (comparison, position, state) -> {
            for (int i = 0; position == 0 && i < values.length; i++) {
                comparison.near("channel " + i + " at position 0", values[i], state[i],
                        0.01 + 0.01 * Math.abs(values[i]));
            }
        });
    }

    /** Compares one position's state after the final layer norm. */
    private interface State {
        void compare(Comparison comparison, int position, double[] state);
    }

    private static Check finalNorm(int[] ids, State state) {
        return subject -> {
            Comparison comparison = new Comparison();
            int last = subject.model().config().layers() + 1;
            subject.observe(ids, new ForwardObserver() {
                @Override
                public void hiddenState(int boundary, int position, double[] values) {
                    if (boundary == last) {
                        state.compare(comparison, position, values);
                    }
                }
            });
            return comparison.outcome();
        };
    }
}
