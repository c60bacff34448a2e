package dev.isthmus.engine.weights.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.ByteArrayChannel;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.TestTensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsHeaderTest {

    private static final Path FILE = Path.of("some.safetensors");

    /** Every kind of thing that a header has: metadata, several types, an empty tensor, a scalar. */
    private static final byte[] SMALL = TestTensors.file("""
            {"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},\
            "e":{"dtype":"I64","shape":[0],"data_offsets":[8,8]},\
            "s":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}\s\s""", 10);

    private static SafetensorsHeader parse(byte[] file) {
        try {
            return SafetensorsHeader.parse(new ByteArrayChannel(file, Integer.MAX_VALUE), FILE);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static List<HeaderCases.Case> cases() {
        return HeaderCases.all();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void eachCraftedFileIsAcceptedOrRefusedAsTheRustReaderDoes(HeaderCases.Case crafted) {
        if (crafted.ours() == null) {
            assertConsistent(parse(crafted.file()), crafted.file().length);
        } else {
            CheckpointException refusal = assertThrows(CheckpointException.class, () -> parse(crafted.file()));
            assertEquals(crafted.ours(), refusal.reason(), refusal.getMessage());
            assertTrue(refusal.getMessage().startsWith(FILE.toString()), refusal.getMessage());
            assertTrue(refusal.getMessage().length() < 1000, "a message that a person can read");
        }
    }

    @Test
    void theTableHasManyCasesAndEveryReasonOfTheRustReader() {
        assertTrue(cases().size() >= 200, cases().size() + " cases");
        for (Reason reason : Arrays.copyOf(Reason.values(), Reason.DUPLICATE_KEY.ordinal() + 1)) {
            assertTrue(cases().stream().anyMatch(c -> c.ours() == reason), "no case for " + reason);
        }
        assertEquals(cases().size(), cases().stream().map(HeaderCases.Case::name).distinct().count());
    }

    @Test
    void tensorsAreListedByPlaceWithAbsolutePositions() {
        SafetensorsHeader header = parse(SMALL);
        long data = SMALL.length - 10;
        assertEquals(List.of(
                new TensorInfo("b", StoredType.F32, new Shape(2, 1), FILE, data, data + 8, false),
                new TensorInfo("e", StoredType.I64, new Shape(0), FILE, data + 8, data + 8, false),
                new TensorInfo("s", StoredType.BF16, new Shape(), FILE, data + 8, data + 10, false)), header.tensors());
        assertEquals(Map.of("format", "pt"), header.metadata());
        assertEquals(data, header.dataBegin());
    }

    @Test
    void aChannelThatGivesOneByteAtATimeGivesTheSameHeader() throws IOException {
        assertEquals(parse(SMALL), SafetensorsHeader.parse(new ByteArrayChannel(SMALL, 1), FILE));
    }

    @Test
    void ofARepeatedMetadataKeyTheLastValueCounts() {
        byte[] file = TestTensors.file("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0);
        assertEquals(Map.of("k", "2"), parse(file).metadata());
    }

    @Test
    void aFileCutOffAnywhereIsRefused() {
        for (int length = 0; length < SMALL.length; length++) {
            byte[] cut = Arrays.copyOf(SMALL, length);
            assertThrows(CheckpointException.class, () -> parse(cut), "cut to " + length + " bytes");
        }
    }

    @Test
    void aChangedHeaderByteGivesATypedErrorOrAConsistentHeader() {
        for (int at = 0; at < SMALL.length - 10; at++) {
            for (int flip = 1; flip < 256; flip++) {
                byte[] changed = SMALL.clone();
                changed[at] ^= (byte) flip;
                assertTypedOrConsistent(changed);
            }
        }
    }

    @Test
    void randomlySplicedHeadersGiveATypedErrorOrAConsistentHeader() {
        String[] parts = {"{", "}", "[", "]", ",", ":", "\"a\"", "\"dtype\"", "\"F32\"", "\"shape\"",
            "\"data_offsets\"", "\"__metadata__\"", "0", "4", "-1", "1e9", "18446744073709551615", "null", "true",
            "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", "\"\\ud800\"", " ", "\u00e9"};
        Random random = new Random(20260801);
        String text = new String(SMALL, 8, SMALL.length - 18, StandardCharsets.UTF_8);
        for (int i = 0; i < 20_000; i++) {
            int from = random.nextInt(text.length());
            int to = Math.min(text.length(), from + random.nextInt(12));
            String spliced = text.substring(0, from) + parts[random.nextInt(parts.length)] + text.substring(to);
            assertTypedOrConsistent(TestTensors.file(spliced, random.nextInt(3) * 5));
        }
    }

    @Test
    void aHundredThousandTensorsAreRead() {
        StringBuilder text = new StringBuilder("{");
        for (int i = 0; i < 100_000; i++) {
            text.append(i == 0 ? "" : ",").append("\"t").append(i).append("\":{\"dtype\":\"U8\",\"shape\":[1],")
                    .append("\"data_offsets\":[").append(i).append(',').append(i + 1).append("]}");
        }
        assertEquals(100_000, parse(TestTensors.file(text.append('}').toString(), 100_000)).tensors().size());
    }

    @Test
    void aHeaderOfTheGreatestLengthIsReadAndOneByteMoreIsNot() {
        byte[] text = """
                {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""".getBytes(StandardCharsets.UTF_8);
        byte[] file = new byte[8 + SafetensorsHeader.MAX_HEADER_BYTES + 2];
        Arrays.fill(file, (byte) ' ');
        System.arraycopy(text, 0, file, 8, text.length);
        ByteBuffer length = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        length.putLong(0, SafetensorsHeader.MAX_HEADER_BYTES + 1);
        assertEquals(Reason.HEADER_TOO_LARGE, assertThrows(CheckpointException.class, () -> parse(file)).reason());
        length.putLong(0, SafetensorsHeader.MAX_HEADER_BYTES);
        assertEquals(Reason.METADATA_INCOMPLETE_BUFFER,
                assertThrows(CheckpointException.class, () -> parse(file)).reason());
        assertEquals(1, parse(Arrays.copyOf(file, file.length - 1)).tensors().size());
    }

    @Test
    void aMessageShowsNoControlCharactersFromTheFile() {
        byte[] file = TestTensors.file("""
                {"a\\u001b[31m\\n":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}""", 5);
        String message = assertThrows(CheckpointException.class, () -> parse(file)).getMessage();
        assertTrue(message.contains("\"a\\u001b[31m\\u000a\""), message);
    }

    private static void assertTypedOrConsistent(byte[] file) {
        SafetensorsHeader header;
        try {
            header = parse(file);
        } catch (CheckpointException refused) {
            return;
        }
        assertConsistent(header, file.length);
    }

    private static void assertConsistent(SafetensorsHeader header, long fileBytes) {
        long next = header.dataBegin();
        for (TensorInfo tensor : header.tensors()) {
            assertEquals(next, tensor.begin(), tensor.toString());
            assertEquals(tensor.shape().elements() * tensor.type().bits(), 8 * tensor.bytes(), tensor.toString());
            next = tensor.end();
        }
        assertEquals(fileBytes, next);
        assertEquals(header.tensors().size(), header.tensors().stream().map(TensorInfo::name).distinct().count());
    }
}
