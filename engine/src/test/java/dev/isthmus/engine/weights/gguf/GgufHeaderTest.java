package dev.isthmus.engine.weights.gguf;

import static dev.isthmus.engine.weights.gguf.GgufBytes.join;
import static dev.isthmus.engine.weights.gguf.GgufBytes.start;
import static dev.isthmus.engine.weights.gguf.GgufBytes.string;
import static dev.isthmus.engine.weights.gguf.GgufBytes.u32;
import static dev.isthmus.engine.weights.gguf.GgufBytes.u64;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.ByteArrayChannel;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufHeaderTest {

    private static final Path FILE = Path.of("some.gguf");

    @TempDir
    Path directory;

    private static GgufHeader parse(byte[] file) {
        try {
            return GgufHeader.parse(new ByteArrayChannel(file, Integer.MAX_VALUE), FILE);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void keysOfEveryTypeAreRead() {
        GgufHeader header = parse(new GgufBytes().key("u8", 0, new byte[] {-1}).key("i8", 1, new byte[] {-1})
                .key("u16", 2, new byte[] {-1, -1}).key("i16", 3, new byte[] {-2, -1}).key("u32", 4, u32(-1))
                .key("i32", 5, u32(-1)).key("f32", 6, u32(Float.floatToRawIntBits(1.5f))).key("bool", 7, new byte[] {1})
                .text("string", "é").key("u64", 10, u64(1L << 40)).key("i64", 11, u64(-5))
                .key("f64", 12, u64(Double.doubleToRawLongBits(0.1))).bytes());
        assertEquals(Map.ofEntries(Map.entry("u8", new GgufValue.Whole(255)), Map.entry("i8", new GgufValue.Whole(-1)),
                Map.entry("u16", new GgufValue.Whole(65535)), Map.entry("i16", new GgufValue.Whole(-2)),
                Map.entry("u32", new GgufValue.Whole(0xFFFFFFFFL)), Map.entry("i32", new GgufValue.Whole(-1)),
                Map.entry("f32", new GgufValue.Real(1.5)), Map.entry("bool", new GgufValue.Truth(true)),
                Map.entry("string", new GgufValue.Text("é")), Map.entry("u64", new GgufValue.Whole(1L << 40)),
                Map.entry("i64", new GgufValue.Whole(-5)), Map.entry("f64", new GgufValue.Real(0.1))),
                header.metadata());
    }

    @Test
    void tensorsAreListedByPlaceOutermostDimensionFirst() {
        byte[] file = new GgufBytes().tensor("a", 0, new byte[24], 3, 2).tensor("b", 8, new byte[34], 32)
                .tensor("c", 30, new byte[2]).bytes();
        long data = file.length - 64 - 64;
        assertEquals(List.of(new TensorInfo("a", StoredType.F32, new Shape(2, 3), FILE, data, data + 24, false),
                new TensorInfo("b", StoredType.Q8_0, new Shape(32), FILE, data + 32, data + 66, false),
                new TensorInfo("c", StoredType.BF16, new Shape(), FILE, data + 96, data + 98, false)),
                parse(file).tensors());
    }

    static Stream<Arguments> wrong() {
        byte[] two = u64(2);
        return Stream.of(
                Arguments.of("no bytes", new byte[0], Reason.MALFORMED),
                Arguments.of("another magic", join("GGML".getBytes(), start(3, 0, 0)), Reason.MALFORMED),
                Arguments.of("version 1", start(1, 0, 0), Reason.MALFORMED),
                Arguments.of("version 4", start(4, 0, 0), Reason.MALFORMED),
                Arguments.of("big-endian version", start(3 << 24, 0, 0), Reason.MALFORMED),
                Arguments.of("2^64 - 1 keys", start(3, 0, -1), Reason.MALFORMED),
                Arguments.of("2^64 - 1 tensors", start(3, -1, 0), Reason.MALFORMED),
                Arguments.of("key longer than the file", join(start(3, 0, 1), u64(1000)), Reason.MALFORMED),
                Arguments.of("key of 2^64 - 1 bytes", join(start(3, 0, 1), u64(-1), new byte[100]), Reason.MALFORMED),
                Arguments.of("key that is not UTF-8", join(start(3, 0, 1), two, new byte[] {'a', -1}, u32(7),
                        new byte[1]), Reason.MALFORMED),
                Arguments.of("key twice", new GgufBytes().whole("k", 1).whole("k", 2).bytes(), Reason.DUPLICATE_KEY),
                Arguments.of("value of type 13", new GgufBytes().key("k", 13, new byte[8]).bytes(), Reason.MALFORMED),
                Arguments.of("array of arrays", new GgufBytes().key("k", 9, join(u32(9), two, new byte[99])).bytes(),
                        Reason.MALFORMED),
                Arguments.of("array of 2^63 elements", new GgufBytes().key("k", 9, join(u32(0), u64(Long.MIN_VALUE)))
                        .bytes(), Reason.MALFORMED),
                Arguments.of("array of 2^61 elements of 8 bytes", new GgufBytes().key("k", 9, join(u32(10),
                        u64(1L << 61))).bytes(), Reason.MALFORMED),
                Arguments.of("strings beyond the file", new GgufBytes().key("k", 9, join(u32(8), two, string("a"),
                        u64(1L << 62))).bytes(), Reason.MALFORMED),
                Arguments.of("alignment 0", new GgufBytes().whole("general.alignment", 0).bytes(), Reason.MALFORMED),
                Arguments.of("alignment 24", new GgufBytes().whole("general.alignment", 24).bytes(), Reason.MALFORMED),
                Arguments.of("alignment 2^63", new GgufBytes().key("general.alignment", 10, u64(Long.MIN_VALUE))
                        .bytes(), Reason.MALFORMED),
                Arguments.of("alignment a string", new GgufBytes().text("general.alignment", "32").bytes(),
                        Reason.MALFORMED),
                Arguments.of("tensor twice", new GgufBytes().tensor("a", 0, new byte[4], 1)
                        .tensor("a", 0, new byte[4], 1).bytes(), Reason.DUPLICATE_KEY),
                Arguments.of("five dimensions", new GgufBytes().tensor("a", 0, new byte[4], 1, 1, 1, 1, 1).bytes(),
                        Reason.MALFORMED),
                Arguments.of("2^31 dimensions", join(start(3, 1, 0), string("a"), u32(1L << 31), new byte[99]),
                        Reason.MALFORMED),
                Arguments.of("negative dimension", new GgufBytes().tensor("a", 0, new byte[4], -1).bytes(),
                        Reason.MALFORMED),
                Arguments.of("2^80 elements", new GgufBytes().tensor("a", 0, new byte[4], 1L << 40, 1L << 40).bytes(),
                        Reason.MALFORMED),
                Arguments.of("2^62 elements", new GgufBytes().tensor("a", 0, new byte[4], 1L << 62).bytes(),
                        Reason.MALFORMED),
                Arguments.of("element type Q4_K", new GgufBytes().tensor("a", 12, new byte[144], 256).bytes(),
                        Reason.WRONG_TYPE),
                Arguments.of("half a block of Q4_0", new GgufBytes().tensor("a", 2, new byte[18], 16).bytes(),
                        Reason.MALFORMED),
                Arguments.of("Q5_1 beyond the file", new GgufBytes().tensor("a", 7, new byte[24], 96).bytes(),
                        Reason.MALFORMED),
                Arguments.of("half a block", new GgufBytes().tensor("a", 8, new byte[34], 16).bytes(),
                        Reason.MALFORMED),
                Arguments.of("block over two rows", new GgufBytes().tensor("a", 8, new byte[34], 16, 2).bytes(),
                        Reason.MALFORMED),
                Arguments.of("gap", new GgufBytes().tensorAt(32, "a", 0, new byte[64], 1).bytes(), Reason.MALFORMED),
                Arguments.of("overlap", new GgufBytes().tensor("a", 0, new byte[4], 1)
                        .tensorAt(0, "b", 0, new byte[4], 1).bytes(), Reason.MALFORMED),
                Arguments.of("offset 2^64 - 32", new GgufBytes().tensorAt(-32, "a", 0, new byte[4], 1).bytes(),
                        Reason.MALFORMED),
                Arguments.of("data beyond the file", new GgufBytes().tensor("a", 0, new byte[4], 16).bytes(),
                        Reason.MALFORMED));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("wrong")
    void aWrongFileIsRefused(String name, byte[] file, Reason reason) {
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> parse(file));
        assertEquals(reason, refusal.reason(), refusal.getMessage());
        assertTrue(refusal.getMessage().startsWith(FILE.toString()) && refusal.getMessage().length() < 600,
                refusal.getMessage());
    }

    static Stream<Arguments> words() {
        byte[] bigEndian = ByteBuffer.allocate(24).putInt(0x47475546).putInt(3).putLong(0).putLong(0).array();
        return Stream.of(
                Arguments.of(start(1, 0, 0), List.of("version 1", "convert")),
                Arguments.of(bigEndian, List.of("big-endian", "of version 3", "gguf_convert_endian.py")),
                Arguments.of(start(2 << 24, 0, 0), List.of("big-endian", "of version 2")),
                Arguments.of(start(77, 0, 0), List.of("version 2 or 3", "found version 77")),
                Arguments.of(join("tjgg".getBytes(), new byte[20]), List.of("ggjt", "convert")),
                Arguments.of(new GgufBytes().tensor("a", 12, new byte[144], 256).bytes(),
                        List.of("\"a\"", "Q4_K", "Q4_0", "llama-quantize")),
                Arguments.of(new GgufBytes().tensor("a", 20, new byte[18], 32).bytes(), List.of("IQ4_NL")),
                Arguments.of(new GgufBytes().tensor("a", 99, new byte[18], 32).bytes(), List.of("type 99")));
    }

    @ParameterizedTest
    @MethodSource("words")
    void aRefusalNamesWhatTheFileIs(byte[] file, List<String> words) {
        String message = assertThrows(CheckpointException.class, () -> parse(file)).getMessage();
        words.forEach(word -> assertTrue(message.contains(word), message));
    }

    @Test
    void theHeaderIsFetchedInPiecesOfAnySize() throws IOException {
        byte[] file = new GgufBytes().texts("k", "a".repeat(100_000), "b").tensor("t", 0, new byte[4], 1).bytes();
        GgufHeader header = GgufHeader.parse(new ByteArrayChannel(file, 1000), FILE);
        GgufValue.Texts texts = (GgufValue.Texts) header.metadata().get("k");
        int[] lengths = new int[2];
        int[] count = new int[1];
        texts.forEach(bytes -> lengths[count[0]++] = bytes.length);
        assertArrayEquals(new int[] {100_000, 1}, lengths);
        assertEquals(1, header.tensors().size());
    }

    /** Values that tell each element of a matrix [rows, columns] from every other, in F32, F16, BF16 and Q8_0. */
    private static float value(int row, int column) {
        return row * 3 - column - 95;
    }

    private Path matrix(int ggmlType, int rows, int columns) throws IOException {
        ByteBuffer data = ByteBuffer.allocate(rows * columns * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (int column = 0; column < columns; column++) {
            for (int row = 0; row < rows; row++) {
                if (ggmlType == 8 && row % 32 == 0) {
                    data.putShort(Float.floatToFloat16(1));
                }
                switch (ggmlType) {
                    case 0 -> data.putFloat(value(row, column));
                    case 1 -> data.putShort(Float.floatToFloat16(value(row, column)));
                    case 8 -> data.put((byte) value(row, column));
                    default -> data.putShort((short) (Float.floatToRawIntBits(value(row, column)) >>> 16));
                }
            }
        }
        byte[] bytes = Arrays.copyOf(data.array(), data.position());
        return Files.write(directory.resolve("m.gguf"),
                new GgufBytes().tensor("blk.0.attn_qkv.weight", ggmlType, bytes, rows, columns).bytes());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 8, 30})
    void everyRangeOfATransposedMatrixIsReadInTheOrderOfItsShape(int ggmlType) throws IOException {
        int rows = 64;
        int columns = 5;
        try (Checkpoint checkpoint = Checkpoint.open(matrix(ggmlType, rows, columns));
                Arena arena = Arena.ofConfined()) {
            TensorInfo tensor = checkpoint.tensor("h.0.attn.c_attn.weight").orElseThrow();
            assertEquals(new Shape(rows, columns), tensor.shape());
            for (int first = 0; first <= rows * columns; first += 3) {
                for (int count = 0; count <= rows * columns - first; count += 7) {
                    MemorySegment into = arena.allocate(4L * count, 4);
                    checkpoint.readF32(tensor, first, into);
                    for (int i = 0; i < count; i++) {
                        assertEquals(value((first + i) / columns, (first + i) % columns),
                                into.getAtIndex(ValueLayout.JAVA_FLOAT, i), first + " + " + i);
                    }
                }
            }
        }
    }

    @Test
    void aMatrixOfManyTilesIsTurnedAround() throws IOException {
        int rows = 40;
        int columns = 3000;
        try (Checkpoint checkpoint = Checkpoint.open(matrix(0, rows, columns)); Arena arena = Arena.ofConfined()) {
            TensorInfo tensor = checkpoint.tensor("h.0.attn.c_attn.weight").orElseThrow();
            MemorySegment into = arena.allocate(4L * rows * columns, 4);
            checkpoint.readF32(tensor.name(), into);
            for (int i = 0; i < rows * columns; i++) {
                assertEquals(value(i / columns, i % columns), into.getAtIndex(ValueLayout.JAVA_FLOAT, i));
            }
        }
    }
}
