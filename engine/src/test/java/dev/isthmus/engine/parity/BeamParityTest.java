package dev.isthmus.engine.parity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.BeamOptions;
import dev.isthmus.engine.api.Completion;
import dev.isthmus.engine.api.FinishReason;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Beam search against transformers' generate; make_beam_fixture.py wrote what is expected. */
@ParameterizedClass
@EnumSource(value = BackendChoice.class, names = {"CPU", "REFERENCE"})
record BeamParityTest(BackendChoice backend) {

    /** transformers adds up to twelve log-probabilities of up to 20 in float32. */
    private static final double SCORE_BOUND = 1e-4;

    @TempDir
    private static Path directory;

    @TestFactory
    Stream<DynamicTest> theContinuationsAndScoresAreThoseOfTransformers() throws IOException {
        Json fixture;
        try (InputStream in = BeamParityTest.class.getResourceAsStream("/sampling/beams.json")) {
            fixture = Json.read(in.readAllBytes());
        }
        return fixture.objects("checkpoints").stream().flatMap(checkpoint -> checkpoint.objects("cases").stream()
                .map(each -> DynamicTest.dynamicTest(checkpoint.text("name") + " " + each.object("options").members(),
                        () -> check(checkpoint.text("name"), each))));
    }

    private void check(String checkpoint, Json expected) throws IOException {
        Json options = expected.object("options");
        int[] endOfText = options.integers("endOfText");
        try (Model model = open(checkpoint, endOfText); Session session = model.newSession()) {
            session.append(expected.integers("prompt"));
            List<Completion> found = session.beamSearch(generation(options), new BeamOptions(options.integer("beams"),
                    options.number("lengthPenalty"),
                    BeamOptions.EarlyStopping.valueOf(options.text("earlyStopping")))).run();
            int[][] sequences = Arrays.stream(expected.table("sequences"))
                    .map(each -> Arrays.stream(each).mapToInt(id -> (int) id).toArray()).toArray(int[][]::new);
            assertEquals(Arrays.stream(sequences).map(each -> IntStream.of(each).boxed().toList()).toList(),
                    found.stream().map(Completion::ids).toList());
            assertArrayEquals(expected.numbers("scores"), found.stream().mapToDouble(Completion::score).toArray(),
                    SCORE_BOUND);
            for (Completion each : found) {
                boolean ended = IntStream.of(endOfText).anyMatch(id -> id == each.ids().getLast());
                assertEquals(ended ? FinishReason.END_OF_TEXT : FinishReason.MAX_TOKENS, each.finishReason());
            }
            assertArrayEquals(expected.integers("prompt"), session.tokens(), "the session stays as it was");
        }
    }

    private static GenerationOptions generation(Json options) {
        GenerationOptions.Builder builder = GenerationOptions.builder().maxTokens(options.integer("maxTokens"))
                .stopAtEndOfText(options.integers("endOfText").length > 0);
        if (options.has("repetitionPenalty")) {
            builder.repetitionPenalty(options.number("repetitionPenalty"));
        }
        if (options.has("noRepeatNgram")) {
            builder.noRepeatNgram(options.integer("noRepeatNgram"));
        }
        if (options.has("banned")) {
            builder.banned(Arrays.stream(options.table("banned"))
                    .map(ids -> Arrays.stream(ids).mapToObj(id -> (int) id).toList()).toList());
        }
        return builder.build();
    }

    /** The checkpoint of a parity fixture with other end-of-text tokens. */
    private Model open(String name, int[] endOfText) throws IOException {
        Path written = directory.resolve(name);
        if (Files.notExists(written)) {
            Files.createDirectory(written);
            ParityCase.all().filter(each -> each.name().equals(name)).findFirst().orElseThrow().checkpoint()
                    .write(written);
        }
        Path config = written.resolve("config.json");
        String ids = IntStream.of(endOfText).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]"));
        Files.writeString(config, Files.readString(config).replaceFirst("\"eos_token_id\":[^\"}]*(?=[,}])",
                "\"eos_token_id\":" + (endOfText.length == 0 ? "148" : ids)));
        return Model.open(written, ModelOptions.DEFAULT.withBackend(backend).withThreads(2));
    }
}
