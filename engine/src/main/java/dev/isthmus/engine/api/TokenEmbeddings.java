package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.model.Offload;
import dev.isthmus.engine.session.LoadedModel;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A model's token embedding matrix wte: V vectors of C values, as the model computes with them, which is rounded where
 * its weights are kept in fewer bits. Immutable; any thread may use it while the model is open.
 */
public final class TokenEmbeddings {

    private final LoadedModel model;
    private final Matrix wte;

    TokenEmbeddings(LoadedModel model) {
        this.model = model;
        wte = model.forward().weights().tokenEmbedding();
    }

    /**
     * {@return the token that a text is, for instance {@code " king"}: in GPT-2's vocabulary most words begin with
     * their space}
     *
     * @param text the text, with its space
     * @throws InvalidInputException if the text is not exactly one token, or the model has no tokenizer
     */
    public int token(String text) {
        int[] ids = model.encode("find a token's embedding", text);
        if (ids.length != 1) {
            throw new InvalidInputException("embeddings: expected a text of one token, found \"" + text + "\" of "
                    + ids.length + "; most words are one with a space before them");
        }
        return ids[0];
    }

    /**
     * A token's vector.
     *
     * @param id the token
     * @return C values
     * @throws InvalidInputException if it is not in the vocabulary
     */
    public float[] vector(int id) {
        check(id);
        return model.whileOpen(() -> {
            float[] vector = new float[wte.inputs()];
            read(id, vector);
            return vector;
        });
    }

    /**
     * {@return the tokens nearest to a token by cosine similarity, without itself}
     *
     * @param id the token
     * @param n how many, at least 1; fewer are found where the vocabulary has no more
     * @throws InvalidInputException if the token is not in the vocabulary, or {@code n} is less than 1
     */
    public List<Neighbor> nearest(int id, int n) {
        return nearest(doubles(vector(id)), n, Set.of(id));
    }

    /**
     * {@return the tokens nearest to a vector by cosine similarity}
     *
     * @param vector C values
     * @param n how many, at least 1; fewer are found where the vocabulary has no more
     * @throws InvalidInputException if the vector is not of C values or has no direction, or {@code n} is less than 1
     */
    public List<Neighbor> nearest(float[] vector, int n) {
        Arguments.nonNull(vector, "embeddings", "vector");
        if (vector.length != wte.inputs()) {
            throw new InvalidInputException("embeddings: expected a vector of " + wte.inputs() + " values, found "
                    + vector.length);
        }
        return nearest(doubles(vector), n, Set.of());
    }

    /**
     * {@return the tokens that complete an analogy, as king − man + woman does "man is to king as woman is to …": those
     * nearest to the sum of the three vectors at unit length, without the three themselves (Mikolov, Yih and Zweig
     * 2013, "Linguistic Regularities in Continuous Space Word Representations"; gensim's {@code most_similar})}
     *
     * @param king a token that is added
     * @param man the token that is taken away
     * @param woman a token that is added
     * @param n how many, at least 1; fewer are found where the vocabulary has no more
     * @throws InvalidInputException if a token is not in the vocabulary, or {@code n} is less than 1
     */
    public List<Neighbor> analogy(int king, int man, int woman, int n) {
        double[] sum = new double[wte.inputs()];
        addUnit(sum, king, 1);
        addUnit(sum, man, -1);
        addUnit(sum, woman, 1);
        return nearest(sum, n, Stream.of(king, man, woman).collect(Collectors.toSet()));
    }

    private void addUnit(double[] sum, int id, int sign) {
        double[] vector = doubles(vector(id));
        double length = length(vector);
        for (int c = 0; c < sum.length; c++) {
            sum[c] += sign * vector[c] / length;
        }
    }

    private List<Neighbor> nearest(double[] target, int n, Set<Integer> without) {
        if (n < 1) {
            throw new InvalidInputException("embeddings: expected >= 1 neighbors to find, found " + n);
        }
        double length = length(target);
        if (!(length > 0 && length < Double.POSITIVE_INFINITY)) {
            throw new InvalidInputException("embeddings: expected a finite vector other than zero, found one of length "
                    + length);
        }
        double[] similarities = model.whileOpen(() -> Offload.call(() -> similarities(target, length)));
        return IntStream.range(0, similarities.length).filter(id -> !without.contains(id)).boxed()
                .sorted(Comparator.comparingDouble((Integer id) -> similarities[id]).reversed()
                        .thenComparing(Comparator.naturalOrder()))
                .limit(n).map(id -> new Neighbor(id, text(id), similarities[id])).toList();
    }

    /** The cosines of all tokens' vectors with one; some at a time, as matrices lie in memory. */
    private double[] similarities(double[] target, double length) {
        int vocabulary = wte.outputs();
        double[] products = new double[vocabulary];
        double[] squares = new double[vocabulary];
        for (int first = 0; first < vocabulary; first += PackedMatrix.PANEL) {
            Interrupts.check("finding neighbors");
            int end = Math.min(first + PackedMatrix.PANEL, vocabulary);
            float[] vectors = new float[(end - first) * target.length];
            read(first, vectors);
            for (int i = 0; i < vectors.length; i++) {
                int id = first + i / target.length;
                products[id] += target[i % target.length] * vectors[i];
                squares[id] += (double) vectors[i] * vectors[i];
            }
        }
        for (int id = 0; id < vocabulary; id++) {
            products[id] = squares[id] > 0 ? products[id] / (length * Math.sqrt(squares[id])) : 0;
        }
        return products;
    }

    private void read(int first, float[] vectors) {
        model.backend().weights().read(wte, first, vectors);
        model.forward().weights().requireWhole();
    }

    private String text(int id) {
        return model.tokenizer().tokenizer().map(tokenizer -> tokenizer.decode(id)).orElse("");
    }

    private void check(int id) {
        if (id < 0 || id >= wte.outputs()) {
            throw new InvalidInputException("embeddings: expected a token id in 0.." + (wte.outputs() - 1) + ", found "
                    + id);
        }
    }

    private static double length(double[] vector) {
        double squares = 0;
        for (double value : vector) {
            squares += value * value;
        }
        return Math.sqrt(squares);
    }

    private static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }
}
