package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.InvalidInputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Keeps chosen hidden states and attention probabilities of the tokens that a session reads:
 * <pre>{@code
 * Capture capture = Capture.builder().hiddenStates(12).attention(5, 1).build();
 * session.append(ids, capture);
 * double[][] states = capture.hiddenStates(12);   // [T, C]
 * double[][] weights = capture.attention(5, 1);   // [T, positions]
 * }</pre>
 * It has a row for each token read, in the order of reading, over all calls that it is given to. Used by one thread at
 * a time.
 */
public final class Capture implements ForwardObserver {

    private record Head(int layer, int head) {}

    private final boolean allBoundaries;
    private final Set<Integer> boundaries;
    private final Set<Integer> wholeLayers;
    private final Set<Head> heads;
    private final Map<Integer, List<double[]>> states = new HashMap<>();
    private final Map<Head, List<double[]>> attention = new HashMap<>();

    private Capture(Builder builder) {
        allBoundaries = builder.allBoundaries;
        boundaries = Set.copyOf(builder.boundaries);
        wholeLayers = Set.copyOf(builder.wholeLayers);
        heads = Set.copyOf(builder.heads);
    }

    /** {@return a builder of one that keeps nothing yet} */
    public static Builder builder() {
        return new Builder();
    }

    /** What a {@link Capture} shall keep. */
    public static final class Builder {

        private boolean allBoundaries;
        private final Set<Integer> boundaries = new HashSet<>();
        private final Set<Integer> wholeLayers = new HashSet<>();
        private final Set<Head> heads = new HashSet<>();

        private Builder() {}

        /**
         * The residual stream at these boundaries, T · C doubles each.
         *
         * @param chosen 0 for the embedding, i for the output of block i − 1, n_layer + 1 for the final layer norm;
         *     none for all
         * @return this builder
         */
        public Builder hiddenStates(int... chosen) {
            Arguments.nonNull(chosen, "capture", "chosen");
            allBoundaries |= chosen.length == 0;
            Arrays.stream(chosen).forEach(boundaries::add);
            return this;
        }

        /**
         * The attention probabilities of a layer, about T² / 2 doubles for each head.
         *
         * @param layer the layer, from 0
         * @param chosen the heads, from 0; none for all
         * @return this builder
         */
        public Builder attention(int layer, int... chosen) {
            Arguments.nonNull(chosen, "capture", "chosen");
            if (chosen.length == 0) {
                wholeLayers.add(layer);
            }
            Arrays.stream(chosen).forEach(head -> heads.add(new Head(layer, head)));
            return this;
        }

        /** {@return the capture, which has seen nothing yet} */
        public Capture build() {
            return new Capture(this);
        }
    }

    /**
     * The residual stream at a boundary.
     *
     * @param boundary 0 to n_layer + 1
     * @return a row of C values for each token read
     * @throws InvalidInputException if it was not asked for, there is no such boundary or nothing has been read
     */
    public double[][] hiddenStates(int boundary) {
        return rows(states.get(boundary), "hidden states at boundary " + boundary);
    }

    /**
     * The attention of a head.
     *
     * @param layer the layer, from 0
     * @param head the head, from 0
     * @return for each token read as many probabilities as there were positions up to its own
     * @throws InvalidInputException if it was not asked for, there is no such head or nothing has been read
     */
    public double[][] attention(int layer, int head) {
        return rows(attention.get(new Head(layer, head)), "attention of layer " + layer + ", head " + head);
    }

    private static double[][] rows(List<double[]> rows, String what) {
        if (rows == null) {
            throw new InvalidInputException("capture: no " + what + " was seen; the builder must ask for it, the model "
                    + "have it, and a session read tokens with this capture");
        }
        return rows.toArray(double[][]::new);
    }

    @Override
    public boolean wantsHiddenState(int boundary) {
        return allBoundaries || boundaries.contains(boundary);
    }

    @Override
    public void hiddenState(int boundary, int position, double[] values) {
        states.computeIfAbsent(boundary, _ -> new ArrayList<>()).add(values);
    }

    @Override
    public boolean wantsAttention(int layer, int head) {
        return wholeLayers.contains(layer) || heads.contains(new Head(layer, head));
    }

    @Override
    public void attention(int layer, int head, int position, double[] probabilities) {
        attention.computeIfAbsent(new Head(layer, head), _ -> new ArrayList<>()).add(probabilities);
    }
}
