package dev.isthmus.engine.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.cpu.KernelLevel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Compares the numbers that Java knows without the libraries with those of the C and CUDA headers. */
class HeaderConstantsTest {

    private static final Path CPU = Path.of("..", "native-src", "include", "isthmus.h");
    private static final Path CUDA = Path.of("..", "native-src", "cuda", "kernels.h");

    @Test
    void packedMatricesAreThoseOfTheHeader() throws IOException {
        Map<String, Integer> c = constants(CPU);
        assertEquals(c.get("ISTHMUS_PANEL"), PackedMatrix.PANEL);
        assertEquals(c.get("ISTHMUS_INT8_BLOCK"), WeightType.INT8.blockInputs());
        assertEquals(c.get("ISTHMUS_Q4_BLOCK"), WeightType.Q4.blockInputs());
    }

    @Test
    void cacheBlocksAreThoseOfBothHeaders() throws IOException {
        assertEquals(constants(CPU).get("ISTHMUS_CACHE_BLOCK"), KvCache.BLOCK_POSITIONS);
        assertEquals(constants(CUDA).get("CACHE_BLOCK"), KvCache.BLOCK_POSITIONS);
    }

    @Test
    void levelsAreThoseOfTheHeader() throws IOException {
        Map<String, Integer> levels = new TreeMap<>();
        for (KernelLevel level : KernelLevel.values()) {
            levels.put("ISTHMUS_LEVEL_" + level, level.code());
            assertEquals(level, KernelLevel.of(level.code()));
        }
        assertEquals(withPrefix(constants(CPU), "ISTHMUS_LEVEL_"), levels);
    }

    @Test
    void cudaActivationsAreThoseOfTheHeader() throws IOException {
        Map<String, Integer> activations = new TreeMap<>();
        for (Activation activation : Activation.values()) {
            activations.put("ACTIVATION_" + activation, Types.code(activation));
        }
        assertEquals(withPrefix(constants(CUDA), "ACTIVATION_"), activations);
    }

    @Test
    void cudaTilesAreThoseOfTheHeader() throws IOException {
        Map<String, Integer> c = constants(CUDA);
        assertEquals(c.get("MATMUL_ROWS_MOST"), Products.FEW_ROWS);
        assertEquals(c.get("MATMUL_ROWS_OUTPUTS"), Products.OUTPUTS);
        assertEquals(c.get("STORE"), Products.STORE);
        assertEquals(c.get("ADD"), Products.ADD);
        assertEquals(c.get("ATTENTION_TILE"), DeviceBatch.TILE_ROWS);
        assertEquals(c.get("ATTENTION_MOST_SPLITS"), CudaAttention.MOST_SPLITS);
    }

    @Test
    void cudaHeadSizesAreThoseOfTheHeader() throws IOException {
        String line = Pattern.compile("(?m)^#define HEAD_SIZES.*").matcher(Files.readString(CUDA)).results()
                .map(MatchResult::group).findFirst().orElseThrow();
        Set<Integer> sizes = Pattern.compile("name, (\\d+)\\)").matcher(line).results()
                .map(match -> Integer.valueOf(match.group(1))).collect(Collectors.toCollection(TreeSet::new));
        assertEquals(sizes, new TreeSet<>(CudaAttention.HEAD_CHANNELS));
    }

    /** The integers that a header defines. */
    private static Map<String, Integer> constants(Path header) throws IOException {
        Map<String, Integer> constants = Pattern.compile("(?m)^#define (\\w+) \\(?(-?\\d+)\\)?")
                .matcher(Files.readString(header)).results()
                .collect(Collectors.toMap(match -> match.group(1), match -> Integer.valueOf(match.group(2))));
        assertTrue(constants.size() > 5, () -> header + " defines " + constants);
        return constants;
    }

    private static Map<String, Integer> withPrefix(Map<String, Integer> constants, String prefix) {
        Map<String, Integer> found = new TreeMap<>(constants);
        found.keySet().removeIf(name -> !name.startsWith(prefix));
        return found;
    }
}
