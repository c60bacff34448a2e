package dev.isthmus.engine.weights.safetensors;

import static dev.isthmus.engine.errors.CheckpointException.Reason.DUPLICATE_KEY;
import static dev.isthmus.engine.errors.CheckpointException.Reason.HEADER_TOO_LARGE;
import static dev.isthmus.engine.errors.CheckpointException.Reason.HEADER_TOO_SMALL;
import static dev.isthmus.engine.errors.CheckpointException.Reason.INVALID_HEADER;
import static dev.isthmus.engine.errors.CheckpointException.Reason.INVALID_HEADER_DESERIALIZATION;
import static dev.isthmus.engine.errors.CheckpointException.Reason.INVALID_HEADER_LENGTH;
import static dev.isthmus.engine.errors.CheckpointException.Reason.INVALID_OFFSET;
import static dev.isthmus.engine.errors.CheckpointException.Reason.METADATA_INCOMPLETE_BUFFER;
import static dev.isthmus.engine.errors.CheckpointException.Reason.MISALIGNED_SLICE;
import static dev.isthmus.engine.errors.CheckpointException.Reason.TENSOR_INVALID_INFO;
import static dev.isthmus.engine.errors.CheckpointException.Reason.VALIDATION_OVERFLOW;

import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TestTensors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Crafted safetensors files. What the Rust library does with each was found by giving these very bytes to
 * {@code safetensors.deserialize} of the Python package safetensors 0.8.0, which is the Rust reader.
 */
final class HeaderCases {

    /**
     * One file.
     *
     * @param name what is special about it
     * @param file its bytes
     * @param rust the Rust reader's kind of error, null where it accepts
     * @param ours the expected kind of error, null for acceptance; another than {@code rust} only by intention
     */
    record Case(String name, byte[] file, Reason rust, Reason ours) {

        @Override
        public String toString() {
            return name;
        }
    }

    /** The fields of an F32 tensor of one element at the beginning. */
    private static final String ONE = "'dtype':'F32','shape':[1],'data_offsets':[0,4]";

    private final List<Case> cases = new ArrayList<>();

    private HeaderCases() {}

    static List<Case> all() {
        HeaderCases all = new HeaderCases();
        all.lengths();
        all.encodings();
        all.json();
        all.numbers();
        all.tensorForms();
        all.metadata();
        all.repeatedKeys();
        all.offsets();
        all.sizes();
        all.types();
        return all.cases;
    }

    private void add(String name, byte[] file, Reason verdict) {
        cases.add(new Case(name, file, verdict, verdict));
    }

    /** A header, with ' for ", and 4 bytes of data. */
    private void header(String name, String header, Reason verdict) {
        header(name, header, 4, verdict);
    }

    private void header(String name, String header, int dataBytes, Reason verdict) {
        add(name, TestTensors.file(header.replace('\'', '"'), dataBytes), verdict);
    }

    private void bytes(String name, byte[] header, Reason verdict) {
        add(name, TestTensors.file(header, new byte[4]), verdict);
    }

    private static String tensor(String fields) {
        return "{'a':{" + fields + "}}";
    }

    private static byte[] withLength(long length) {
        byte[] file = TestTensors.file(tensor(ONE).replace('\'', '"'), 4);
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
        return file;
    }

    private void lengths() {
        add("no bytes", new byte[0], HEADER_TOO_SMALL);
        add("seven bytes", new byte[7], HEADER_TOO_SMALL);
        add("eight zero bytes", new byte[8], INVALID_HEADER_DESERIALIZATION);
        add("length one too many", withLength(55), INVALID_HEADER_DESERIALIZATION);
        add("length one too few", withLength(53), INVALID_HEADER_DESERIALIZATION);
        add("length to the end of the file", withLength(58), INVALID_HEADER_DESERIALIZATION);
        add("length one beyond the end of the file", withLength(59), INVALID_HEADER_LENGTH);
        add("length 100,000,000 beyond the end", withLength(100_000_000), INVALID_HEADER_LENGTH);
        add("length 100,000,001", withLength(100_000_001), HEADER_TOO_LARGE);
        add("length 2^63", withLength(Long.MIN_VALUE), HEADER_TOO_LARGE);
        add("length 2^64 - 1", withLength(-1), HEADER_TOO_LARGE);
        add("length big-endian", withLength(Long.reverseBytes(54)), HEADER_TOO_LARGE);
    }

    private void encodings() {
        String text = tensor(ONE).replace('\'', '"');
        bytes("byte FF in a name", new byte[] {'{', '"', (byte) 0xFF, '"', ':', '1', '}'}, INVALID_HEADER);
        bytes("surrogate in UTF-8", new byte[] {'{', '"', (byte) 0xED, (byte) 0xA0, (byte) 0x80, '"', '}'},
                INVALID_HEADER);
        bytes("overlong NUL", new byte[] {'{', '"', (byte) 0xC0, (byte) 0x80, '"', '}'}, INVALID_HEADER);
        bytes("code point beyond 10FFFF", new byte[] {'{', '"', (byte) 0xF4, (byte) 0x90, (byte) 0x80, (byte) 0x80},
                INVALID_HEADER);
        bytes("UTF-8 cut off", new byte[] {'{', '}', (byte) 0xE2, (byte) 0x82}, INVALID_HEADER);
        bytes("UTF-16LE", text.getBytes(StandardCharsets.UTF_16LE), INVALID_HEADER_DESERIALIZATION);
        bytes("UTF-16BE", text.getBytes(StandardCharsets.UTF_16BE), INVALID_HEADER_DESERIALIZATION);
        header("byte order mark", "\uFEFF" + text, INVALID_HEADER_DESERIALIZATION);
        header("name beyond the BMP", "{'😀':{" + ONE + "}}", null);
        header("name with escaped surrogate pair", "{'\\ud83d\\ude00':{" + ONE + "}}", null);
        header("name with unpaired high surrogate", "{'\\ud800':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("name with unpaired low surrogate", "{'\\udc00':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("metadata key with unpaired surrogate", "{'__metadata__':{'\\ud800':''},'a':{" + ONE + "}}",
                INVALID_HEADER_DESERIALIZATION);
        header("metadata value with unpaired surrogate", "{'__metadata__':{'':'\\udfff'},'a':{" + ONE + "}}",
                INVALID_HEADER_DESERIALIZATION);
        header("surrogates in the wrong order", "{'\\ude00\\ud83d':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("unknown field named by an unpaired surrogate", tensor(ONE + ",'\\ud800':1"),
                INVALID_HEADER_DESERIALIZATION);
        header("unknown field with unpaired surrogate", tensor(ONE + ",'x':'\\ud800z'"),
                INVALID_HEADER_DESERIALIZATION);
    }

    private void json() {
        header("one tensor", tensor(ONE), null);
        header("no tensors", "{}", 0, null);
        header("no tensors but data", "{}", 1, METADATA_INCOMPLETE_BUFFER);
        header("only spaces", "    ", 0, INVALID_HEADER_DESERIALIZATION);
        header("white space before", "\t\n\r " + tensor(ONE), null);
        header("white space after", tensor(ONE) + "\t\n\r ", null);
        header("white space everywhere",
                " { 'a' : { 'dtype' : 'F32' , 'shape' : [ 1 ] , 'data_offsets' : [ 0 , 4 ] } }\n", null);
        header("form feed before", "\f" + tensor(ONE), INVALID_HEADER_DESERIALIZATION);
        header("NUL after", tensor(ONE) + "\0", INVALID_HEADER_DESERIALIZATION);
        header("no-break space after", tensor(ONE) + "\u00A0", INVALID_HEADER_DESERIALIZATION);
        header("array", "[]", 0, INVALID_HEADER_DESERIALIZATION);
        header("null", "null", 0, INVALID_HEADER_DESERIALIZATION);
        header("string", "'a'", INVALID_HEADER_DESERIALIZATION);
        header("number", "4", INVALID_HEADER_DESERIALIZATION);
        header("only an opening brace", "{", 0, INVALID_HEADER_DESERIALIZATION);
        header("string that does not end", "{'a", INVALID_HEADER_DESERIALIZATION);
        header("byte order mark between tokens", "{\uFEFF'a':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("two commas", tensor(ONE + ",,'x':1"), INVALID_HEADER_DESERIALIZATION);
        header("colon missing", "{'a'{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("literal cut off", tensor(ONE + ",'x':nul"), INVALID_HEADER_DESERIALIZATION);
        header("literal in capitals", tensor(ONE + ",'x':NULL"), INVALID_HEADER_DESERIALIZATION);
        header("128 levels of objects", tensor(ONE + ",'x':" + "{'x':".repeat(126) + "1" + "}".repeat(126)),
                INVALID_HEADER_DESERIALIZATION);
        header("nested dimensions", tensor(ONE.replace("[1]", "[[1]]")), INVALID_HEADER_DESERIALIZATION);
        header("brackets that do not match", tensor(ONE.replace("[1]", "[1}")), INVALID_HEADER_DESERIALIZATION);
        header("second value", tensor(ONE) + "{}", INVALID_HEADER_DESERIALIZATION);
        header("comment", "/**/" + tensor(ONE), INVALID_HEADER_DESERIALIZATION);
        header("comma before the end", tensor(ONE + ","), INVALID_HEADER_DESERIALIZATION);
        header("missing brace", "{'a':{" + ONE + "}", INVALID_HEADER_DESERIALIZATION);
        bytes("single quotes", tensor(ONE).getBytes(StandardCharsets.UTF_8), INVALID_HEADER_DESERIALIZATION);
        header("name without quotes", "{a:{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("empty name", "{'':{" + ONE + "}}", null);
        header("control character in a name", "{'a\u0001':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("tab in a name", "{'a\t':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("DEL in a name", "{'a\u007F':{" + ONE + "}}", null);
        header("escaped NUL in a name", "{'a\\u0000':{" + ONE + "}}", null);
        header("escaped solidus in a name", "{'a\\/b':{" + ONE + "}}", null);
        header("unknown escape", "{'a\\x':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("escape cut off", "{'a\\u00':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("127 levels", tensor(ONE + ",'x':" + "[".repeat(125) + "]".repeat(125)), null);
        header("128 levels", tensor(ONE + ",'x':" + "[".repeat(126) + "]".repeat(126)), INVALID_HEADER_DESERIALIZATION);
        header("100,000 levels", tensor(ONE + ",'x':" + "[".repeat(100_000)), INVALID_HEADER_DESERIALIZATION);
        header("name of 100,000 letters", "{'" + "n".repeat(100_000) + "':{" + ONE + "}}", null);
    }

    private void numbers() {
        for (String bad : List.of("1.0", "1e0", "-0", "-1", "01", "1.", "+1", ".5", "0x1", "NaN", "Infinity", "1e",
                "true", "'1'", "null", "[1]", "18446744073709551616", "1".repeat(2000), "1e999")) {
            String shown = bad.length() > 30 ? "of 2,000 digits" : bad.replace("'", "quoted ");
            header("dimension " + shown, tensor(ONE.replace("[1]", "[" + bad + "]")), INVALID_HEADER_DESERIALIZATION);
        }
        header("unknown field -0", tensor(ONE + ",'x':-0"), null);
        header("unknown field 1E+5", tensor(ONE + ",'x':1E+5"), null);
        header("unknown field 1e-99999999999", tensor(ONE + ",'x':1e-99999999999"), null);
        header("unknown field 1e99999999999", tensor(ONE + ",'x':1e99999999999"), INVALID_HEADER_DESERIALIZATION);
        header("unknown field of 100,000 digits", tensor(ONE + ",'x':" + "7".repeat(100_000)),
                INVALID_HEADER_DESERIALIZATION);
        header("unknown field, 100,000 digits behind the point", tensor(ONE + ",'x':0." + "7".repeat(100_000)), null);
        header("offset -1", tensor(ONE.replace("[0,", "[-1,")), INVALID_HEADER_DESERIALIZATION);
        header("offset 2^64", tensor(ONE.replace("4]", "18446744073709551616]")), INVALID_HEADER_DESERIALIZATION);
        header("offset quoted", tensor(ONE.replace("4]", "'4']")), INVALID_HEADER_DESERIALIZATION);
        header("dimension 2^53 + 1", tensor(ONE.replace("[1]", "[9007199254740993]")), TENSOR_INVALID_INFO);
        header("dimension 2^63", tensor(ONE.replace("[1]", "[9223372036854775808]")), VALIDATION_OVERFLOW);
        header("dimension 2^64 - 1", tensor(ONE.replace("[1]", "[18446744073709551615]")), VALIDATION_OVERFLOW);
        header("offset 4.0", tensor(ONE.replace("4]", "4.0]")), INVALID_HEADER_DESERIALIZATION);
        header("offset 2^64 - 1", tensor(ONE.replace("4]", "18446744073709551615]")), TENSOR_INVALID_INFO);
        header("unknown field 1e999", tensor(ONE + ",'x':1e999"), INVALID_HEADER_DESERIALIZATION);
        header("unknown field -1e999", tensor(ONE + ",'x':-1e999"), INVALID_HEADER_DESERIALIZATION);
        header("unknown field 1e-999", tensor(ONE + ",'x':1e-999"), null);
        header("unknown field 0e999", tensor(ONE + ",'x':0e999"), null);
        header("unknown field of 300 digits", tensor(ONE + ",'x':" + "9".repeat(300)), null);
        header("unknown field of 400 digits", tensor(ONE + ",'x':" + "9".repeat(400)), INVALID_HEADER_DESERIALIZATION);
        header("unknown field, largest double", tensor(ONE + ",'x':1.7976931348623157e308"), null);
    }

    private void tensorForms() {
        header("unknown fields", tensor(ONE + ",'x':{'y':[1,2.5,null,true,'z']}"), null);
        header("fields in another order", tensor("'data_offsets':[0,4],'shape':[1],'dtype':'F32'"), null);
        header("field name with escape", tensor(ONE.replace("dtype", "\\u0064type")), null);
        header("tensor null", "{'a':null}", 0, INVALID_HEADER_DESERIALIZATION);
        header("tensor without fields", "{'a':{}}", 0, INVALID_HEADER_DESERIALIZATION);
        header("tensor without dtype", tensor("'shape':[1],'data_offsets':[0,4]"), INVALID_HEADER_DESERIALIZATION);
        header("tensor without shape", tensor("'dtype':'F32','data_offsets':[0,4]"), INVALID_HEADER_DESERIALIZATION);
        header("tensor without offsets", tensor("'dtype':'F32','shape':[1]"), INVALID_HEADER_DESERIALIZATION);
        header("tensor as array", "{'a':['F32',[1],[0,4]]}", null);
        header("tensor as array of two", "{'a':['F32',[1]]}", INVALID_HEADER_DESERIALIZATION);
        header("tensor as array of four", "{'a':['F32',[1],[0,4],1]}", INVALID_HEADER_DESERIALIZATION);
        header("shape null", tensor(ONE.replace("[1]", "null")), INVALID_HEADER_DESERIALIZATION);
        header("shape a number", tensor(ONE.replace("[1]", "1")), INVALID_HEADER_DESERIALIZATION);
        header("shape an object", tensor(ONE.replace("[1]", "{}")), INVALID_HEADER_DESERIALIZATION);
        header("no offsets", tensor(ONE.replace("[0,4]", "[]")), INVALID_HEADER_DESERIALIZATION);
        header("one offset", tensor(ONE.replace("[0,4]", "[0]")), INVALID_HEADER_DESERIALIZATION);
        header("three offsets", tensor(ONE.replace("[0,4]", "[0,4,4]")), INVALID_HEADER_DESERIALIZATION);
    }

    private void metadata() {
        String rest = ",'a':{" + ONE + "}}";
        header("metadata", "{'__metadata__':{'format':'pt','':''}" + rest, null);
        header("metadata empty", "{'__metadata__':{}" + rest, null);
        header("metadata null", "{'__metadata__':null" + rest, null);
        header("metadata with escape in its key", "{'__metad\\u0061ta__':{'a':'b'}" + rest, null);
        header("metadata array", "{'__metadata__':[]" + rest, INVALID_HEADER_DESERIALIZATION);
        header("metadata with a number", "{'__metadata__':{'a':1}" + rest, INVALID_HEADER_DESERIALIZATION);
        header("metadata with a null", "{'__metadata__':{'a':null}" + rest, INVALID_HEADER_DESERIALIZATION);
        header("metadata like a tensor", "{'__metadata__':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
        header("metadata twice", "{'__metadata__':{},'__metadata__':{}" + rest, INVALID_HEADER_DESERIALIZATION);
        header("metadata null and again", "{'__metadata__':null,'__metadata__':null" + rest,
                INVALID_HEADER_DESERIALIZATION);
    }

    private void repeatedKeys() {
        header("metadata key twice", "{'__metadata__':{'k':'1','k':'2'},'a':{" + ONE + "}}", null);
        header("field twice", tensor(ONE + ",'dtype':'F32'"), INVALID_HEADER_DESERIALIZATION);
        header("unknown field twice", tensor(ONE + ",'x':1,'x':2"), null);
        byte[] twice = TestTensors.file(("{'a':{" + ONE + "},'a':{" + ONE + "}}").replace('\'', '"'), 4);
        cases.add(new Case("tensor twice (refused on purpose)", twice, null, DUPLICATE_KEY));
        header("tensor twice, first one wrong", "{'a':{},'a':{" + ONE + "}}", INVALID_HEADER_DESERIALIZATION);
    }

    private void offsets() {
        String second = "{'b':{'dtype':'F32','shape':[1],'data_offsets':[%s]},'a':{" + ONE + "}}";
        header("tensors out of order", String.format(second, "4,8"), 8, null);
        header("gap", String.format(second, "8,12"), 12, INVALID_OFFSET);
        header("overlap", String.format(second, "2,6"), 6, INVALID_OFFSET);
        header("same place", String.format(second, "0,4"), 4, INVALID_OFFSET);
        header("first not at 0", tensor(ONE.replace("[0,4]", "[1,5]")), 5, INVALID_OFFSET);
        header("end before begin", tensor(ONE.replace("[0,4]", "[4,0]")), INVALID_OFFSET);
        header("three bytes of data missing", tensor(ONE), 1, METADATA_INCOMPLETE_BUFFER);
        header("one byte of data too many", tensor(ONE), 5, METADATA_INCOMPLETE_BUFFER);
        header("empty tensor between two", "{'b':{'dtype':'F32','shape':[1],'data_offsets':[4,8]},"
                + "'e':{'dtype':'F32','shape':[0],'data_offsets':[4,4]},'a':{" + ONE + "}}", 8, null);
        String empty = "{'dtype':'F32','shape':[0],'data_offsets':[0,0]}";
        header("two empty tensors at the same place", "{'e':" + empty + ",'f':" + empty + ",'a':{" + ONE + "}}", null);
        header("three tensors in falling order", "{'c':{'dtype':'U8','shape':[1],'data_offsets':[2,3]},"
                + "'b':{'dtype':'U8','shape':[1],'data_offsets':[1,2]},'a':{'dtype':'U8','shape':[1],"
                + "'data_offsets':[0,1]}}", 3, null);
        header("empty tensor at the end", "{'a':{" + ONE + "},'e':" + empty.replace("0,0", "4,4") + "}", null);
        header("empty tensor beyond the end", "{'a':{" + ONE + "},'e':" + empty.replace("0,0", "8,8") + "}",
                INVALID_OFFSET);
        header("tensor within another", "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
                + "'b':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}", 8, INVALID_OFFSET);
        header("all data before the first tensor", tensor(ONE.replace("[0,4]", "[4,8]")), 8, INVALID_OFFSET);
        header("empty tensor in the middle of another", "{'a':{" + ONE + "},'e':" + empty.replace("0,0", "2,2") + "}",
                INVALID_OFFSET);
    }

    private void sizes() {
        header("scalar", tensor(ONE.replace("[1]", "[]")), null);
        header("eight dimensions", tensor(ONE.replace("[1]", "[1,1,1,1,1,1,1,1]")), null);
        header("a thousand dimensions", tensor(ONE.replace("[1]", "[1" + ",1".repeat(999) + "]")), null);
        header("scalar of no bytes", tensor(ONE.replace("[1]", "[]").replace("[0,4]", "[0,0]")), 0,
                TENSOR_INVALID_INFO);
        header("too few bytes", tensor(ONE.replace("[0,4]", "[0,0]")), 0, TENSOR_INVALID_INFO);
        header("too many bytes", tensor(ONE.replace("[0,4]", "[0,5]")), 5, TENSOR_INVALID_INFO);
        String empty = "{'a':{'dtype':'F32','shape':[%s],'data_offsets':[0,0]}}";
        header("zero times 2^80", String.format(empty, "0,1099511627776,1099511627776"), 0, null);
        header("2^80 times zero", String.format(empty, "1099511627776,1099511627776,0"), 0, VALIDATION_OVERFLOW);
        byte[] wide = TestTensors.file(String.format(empty, "9223372036854775808,0").replace('\'', '"'), 0);
        cases.add(new Case("2^63 times zero (refused on purpose)", wide, null, VALIDATION_OVERFLOW));
        header("2^63 bits", "{'a':{'dtype':'U8','shape':[1152921504606846976],'data_offsets':[0,1152921504606846976]}}",
                METADATA_INCOMPLETE_BUFFER);
        header("2^64 bits", "{'a':{'dtype':'U8','shape':[2305843009213693952],'data_offsets':[0,2305843009213693952]}}",
                VALIDATION_OVERFLOW);
        StringBuilder large = new StringBuilder();
        long size = (1L << 61) - 1;
        for (int i = 0; i < 6; i++) {
            large.append(i == 0 ? "{" : ",").append("'").append(i).append("':{'dtype':'U8','shape':[").append(size)
                    .append("],'data_offsets':[").append(Long.toUnsignedString(i * size)).append(',')
                    .append(Long.toUnsignedString((i + 1) * size)).append("]}");
        }
        header("sum beyond 2^63", large + "}", METADATA_INCOMPLETE_BUFFER);
        header("half a byte", "{'a':{'dtype':'F4','shape':[3],'data_offsets':[0,2]}}", 2, MISALIGNED_SLICE);
        header("one and a half bytes", "{'a':{'dtype':'F6_E3M2','shape':[2],'data_offsets':[0,2]}}", 2,
                MISALIGNED_SLICE);
        header("four 6-bit elements", "{'a':{'dtype':'F6_E2M3','shape':[4],'data_offsets':[0,3]}}", 3, null);
    }

    private void types() {
        for (StoredType type : StoredType.values()) {
            if (!type.inSafetensors()) {
                header("type " + type, tensor(ONE.replace("F32", type.name())), INVALID_HEADER_DESERIALIZATION);
                continue;
            }
            header("type " + type, "{'a':{'dtype':'" + type + "','shape':[8],'data_offsets':[0," + type.bits() + "]}}",
                    type.bits(), null);
        }
        for (String bad : List.of("'f32'", "'F31'", "'C128'", "'F8_E4M3FN'", "''", "17", "null", "['F32']",
                "{'F32':{}}", "{'F32':[]}", "{'F32':null,'F16':null}", "{'F32':null,'F32':null}", "{}")) {
            header("type written " + bad, tensor(ONE.replace("'F32'", bad)), INVALID_HEADER_DESERIALIZATION);
        }
        header("type written {'F32':null}", tensor(ONE.replace("'F32'", "{'F32':null}")), null);
    }
}
