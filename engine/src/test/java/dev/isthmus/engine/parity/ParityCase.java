package dev.isthmus.engine.parity;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.weights.StoredType;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * One fixture of {@code /parity}: a synthetic checkpoint and what transformers computes from it in float64.
 * {@code FORMAT.md} beside the fixtures says more about each member.
 *
 * @param name the fixture's name
 * @param checkpoint the checkpoint to make
 * @param weights what its matrices are to be kept as; empty for as they are stored
 * @param checksums each parameter's name and the CRC-32 of its bytes, as Python made them
 * @param prompt the tokens, T of them
 * @param positions the positions whose logits are recorded
 * @param logits [positions, V]
 * @param logSumExp [T], the logarithm of the sum of the exponentials of each position's logits
 * @param sampledIds tokens whose log-probability is recorded at every position; may be empty
 * @param sampledLogProbabilities [T, sampledIds]
 * @param hiddenStates [n_layer + 2, 4]: of the last position's residual stream at each boundary the first element, the
 *     sum, the sum of squares and the largest magnitude
 * @param attention [n_layer, H, 2]: of the last position's attention the largest weight and the sum of squares
 * @param greedy the most probable continuation
 * @param float32Error the largest log-probability error over what is recorded of transformers in float32, in the most
 *     accurate of the ways tried
 * @param ownTypeError the same of transformers with activations in the weights' own type; NaN for F32
 */
record ParityCase(String name, SyntheticCheckpoint checkpoint, Optional<WeightType> weights, Json checksums,
        int[] prompt, int[] positions, double[][] logits, double[] logSumExp, int[] sampledIds,
        double[][] sampledLogProbabilities, double[][] hiddenStates, double[][][] attention, int[] greedy,
        double float32Error, double ownTypeError) {

    /** All fixtures. */
    static Stream<ParityCase> all() {
        try (Stream<Path> files = Files.list(Path.of(ParityCase.class.getResource("/parity").toURI()))) {
            List<Path> fixtures = files.filter(file -> file.toString().endsWith(".json")).sorted().toList();
            return fixtures.stream().map(ParityCase::read);
        } catch (IOException | URISyntaxException e) {
            throw new IllegalStateException("the fixtures cannot be listed", e);
        }
    }

    private static ParityCase read(Path file) {
        Json json;
        try {
            json = Json.read(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Json rows = json.object("logitRows");
        Json sampled = json.object("sampledLogProbabilities");
        Optional<WeightType> weights = json.has("weights") && !json.text("weights").equals(json.text("dtype"))
                ? Optional.of(WeightType.valueOf(json.text("weights"))) : Optional.empty();
        return new ParityCase(json.text("name"), checkpoint(json), weights, json.object("checksums"),
                json.integers("prompt"), rows.integers("positions"), rows.table("values"),
                json.numbers("logSumExp"), sampled.integers("ids"), sampled.table("values"), json.table("hiddenStates"),
                json.tables("attention"), json.object("greedy").integers("ids"),
                json.object("float32").objects("runs").stream().mapToDouble(run -> run.number("maxRecorded")).min()
                        .orElseThrow(),
                json.has("ownTypeError") ? json.number("ownTypeError") : Double.NaN);
    }

    /** The checkpoint that a fixture describes. */
    static SyntheticCheckpoint checkpoint(Json json) {
        Json config = json.object("config");
        SyntheticWeights.Size size = new SyntheticWeights.Size(config.integer("n_layer"), config.integer("n_head"),
                config.integer("n_embd"), config.has("n_inner") ? config.integer("n_inner")
                        : 4 * config.integer("n_embd"), config.integer("n_positions"), config.integer("vocab_size"),
                !config.has("tie_word_embeddings") || config.truth("tie_word_embeddings"));
        return new SyntheticCheckpoint(new SyntheticWeights(json.integer("seed"), size),
                text(config), StoredType.valueOf(json.text("dtype")), json.text("prefix"), json.truth("masks"),
                json.integer("shards"));
    }

    private static String text(Json config) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.writeStartObject();
            for (var member : config.members().entrySet()) {
                json.writeFieldName(member.getKey());
                if (member.getValue() instanceof List<?> items) {
                    json.writeArray(items.toArray(String[]::new), 0, items.size());
                } else {
                    json.writeObject(member.getValue());
                }
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    /** Whether the weights have 16 bits, and so have activations where they follow them. */
    boolean ofHalves() {
        return !Double.isNaN(ownTypeError);
    }

    /** D. */
    int headChannels() {
        return checkpoint.weights().size().channels() / checkpoint.weights().size().heads();
    }

    /** Whether it has the shape of GPT-2 124M. */
    boolean fullSize() {
        return checkpoint.weights().size().channels() == 768;
    }

    @Override
    public String toString() {
        return name;
    }
}
