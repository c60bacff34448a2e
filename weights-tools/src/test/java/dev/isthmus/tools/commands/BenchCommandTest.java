package dev.isthmus.tools.commands;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.api.CacheType;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.tools.CommandRun;
import dev.isthmus.tools.TinyModel;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandTest {

    private static final int C = TinyModel.CHANNELS;
    private static final long LAYER_WEIGHTS = TinyModel.LAYERS * 12L * C * C;
    private static final long HEAD_WEIGHTS = (long) C * TinyModel.VOCABULARY;

    @TempDir
    static Path folder;

    private static String model;

    @BeforeAll
    static void writeModel() throws IOException {
        model = TinyModel.writeWithoutTokenizer(folder.resolve("model")).toString();
    }

    /** The values of one JSON list of objects, as "key=value" in order. */
    private static List<String> values(String json) throws IOException {
        List<String> values = new ArrayList<>();
        try (JsonParser parser = Json.FACTORY.createParser(json)) {
            assertEquals(JsonToken.START_ARRAY, parser.nextToken());
            while (parser.nextToken() != null) {
                if (parser.currentToken().isScalarValue()) {
                    values.add(parser.currentName() + "=" + parser.getText());
                }
            }
        }
        return values;
    }

    @Test
    void everyWorkloadIsMeasuredWithEveryTypeOfWeights() throws IOException {
        CommandRun run = CommandRun.of("bench", "-m", model, "--dtype", "f32,int8", "--prefill", "32", "--decode",
                "8+4,48+2", "--batch", "1,3", "--threads", "2", "--repeat", "3", "--json");
        assertEquals(0, run.code(), run.err());
        List<String> values = values(run.out());
        List<String> names = new ArrayList<>();
        for (int i = 0; i < values.size(); i += 8) {
            names.add(String.join(" ", values.subList(i, i + 4)));
            double median = number(values.get(i + 4), "median");
            double min = number(values.get(i + 5), "min");
            double max = number(values.get(i + 6), "max");
            assertTrue(0 < min && min <= median && median <= max, run.out());
            String limit = values.get(i + 7);
            assertTrue(CpuChoice.choose().level().isEmpty() ? limit.equals("limit=null") : number(limit, "limit") > 0,
                    run.out());
        }
        List<String> expected = new ArrayList<>();
        for (String dtype : List.of("f32", "int8")) {
            expected.add("workload=prefill 32 dtype=" + dtype + " batch=1 threads=2");
            for (String decode : List.of("8+4", "48+2")) {
                for (int batch : List.of(1, 3)) {
                    expected.add("workload=decode " + decode + " dtype=" + dtype + " batch=" + batch + " threads=2");
                }
            }
        }
        assertEquals(expected, names);
    }

    private static double number(String value, String name) {
        assertTrue(value.startsWith(name + "="), value);
        return Double.parseDouble(value.substring(name.length() + 1));
    }

    @Test
    void theTableHasALineForEachWorkload() {
        CommandRun run = CommandRun.of("bench", "-m", model, "--decode", "4+5", "--repeat", "1");
        assertEquals(0, run.code(), run.err());
        List<String> lines = run.out().lines().toList();
        assertEquals(2, lines.size(), run.out());
        assertTrue(lines.get(0).matches("workload +dtype +batch +threads +tokens/s +min \\.\\. max +limit +of limit"),
                run.out());
        assertTrue(lines.get(1).matches("decode 5 @ 4 +f32 +1 +\\d+ +[0-9.]+ +[0-9.]+ \\.\\. [0-9.]+ +\\S+ +\\S+"),
                run.out());
    }

    @Test
    void whatDoesNotFitIntoTheContextIsRefused() {
        CommandRun run = CommandRun.of("bench", "-m", model, "--decode", "60+4,60+5");
        assertEquals(2, run.code());
        assertTrue(run.err().contains("decode 60+5 takes 65 positions, and the model's context has 64"), run.err());
        assertEquals("", run.out());
    }

    @Test
    void argumentsThatMakeNoSenseAreNamed() {
        for (List<String> arguments : List.of(List.of("--decode", "64"), List.of("--decode", "0+4"),
                List.of("--prefill", "0"), List.of("--batch", "0"), List.of("--repeat", "0"),
                List.of("--threads", "-1"), List.of("--dtype", "int7"))) {
            CommandRun run = CommandRun.of("bench", "-m", model, arguments.get(0), arguments.get(1));
            assertEquals(2, run.code(), run.err());
            assertTrue(run.err().contains(arguments.get(0)), run.err());
        }
    }

    @Test
    void aPromptCostsItsProductsAndTheCausalHalfOfAttentionAndInItsLastBlockKeysAndValues() {
        try (BenchModel opened = open(WeightType.F32)) {
            BenchWorkload.Cost cost = new BenchWorkload.Prefill(10).cost(opened);
            assertEquals(LAYER_WEIGHTS + 9 * (LAYER_WEIGHTS - 10L * C * C) + HEAD_WEIGHTS, cost.products());
            // 1 + 2 + … + 10 pairs of positions, each C products with keys and C with values in a layer, and in the
            // last one 10 pairs, of the last position
            assertEquals((55 * (TinyModel.LAYERS - 1) + 10) * 2 * C, cost.attention());
        }
    }

    @Test
    void generatingReadsTheWeightsOnceForAllTexts() {
        try (BenchModel opened = open(WeightType.F16)) {
            BenchWorkload.Cost cost = new BenchWorkload.Decode(10, 2, 3).cost(opened);
            long panels = Math.ceilDiv(TinyModel.VOCABULARY, 64) * 64L;
            long weights = CpuChoice.choose().level().isPresent() ? 2 * (LAYER_WEIGHTS + panels * C)
                    : 4 * (LAYER_WEIGHTS + HEAD_WEIGHTS);
            // The first token's pass reads 11 positions and writes one, the second's 12 and one; keys and values.
            assertEquals(2 * weights + 3 * (11 + 1 + 12 + 1) * 2 * TinyModel.LAYERS * C * 4, cost.bytes());
            assertEquals(6 * (LAYER_WEIGHTS + HEAD_WEIGHTS), cost.products());
            assertEquals(3 * (11 + 12) * 2 * TinyModel.LAYERS * C, cost.attention());
        }
    }

    @Test
    void aWorkloadTakesAtLeastTheLongerOfMemoryAndArithmetic() {
        BenchWorkload.Cost cost = new BenchWorkload.Cost(100, 60, 20);
        assertEquals(10, cost.seconds(10, 1e9, 1e9));
        assertEquals(60 / 10.0 + 20 / 5.0, cost.seconds(1e9, 10, 5));
        assertNotEquals(cost.seconds(10, 10, 5), cost.seconds(1, 10, 5));
    }

    private static BenchModel open(WeightType type) {
        return new BenchModel(Path.of(model), CpuChoice.choose(), Optional.of(type), CacheType.AUTO, 1,
                (done, total) -> {});
    }
}
