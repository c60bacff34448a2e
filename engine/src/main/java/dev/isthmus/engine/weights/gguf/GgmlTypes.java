package dev.isthmus.engine.weights.gguf;

import dev.isthmus.engine.weights.StoredType;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** The element types of GGUF files, by the numbers of llama.cpp's {@code enum ggml_type}. */
final class GgmlTypes {

    private static final Map<Integer, StoredType> READABLE = Map.of(0, StoredType.F32, 1, StoredType.F16,
            2, StoredType.Q4_0, 3, StoredType.Q4_1, 6, StoredType.Q5_0, 7, StoredType.Q5_1, 8, StoredType.Q8_0,
            30, StoredType.BF16);

    private static final Map<Integer, String> OTHERS = Map.ofEntries(Map.entry(9, "Q8_1"), Map.entry(10, "Q2_K"),
            Map.entry(11, "Q3_K"), Map.entry(12, "Q4_K"), Map.entry(13, "Q5_K"), Map.entry(14, "Q6_K"),
            Map.entry(15, "Q8_K"), Map.entry(16, "IQ2_XXS"), Map.entry(17, "IQ2_XS"), Map.entry(18, "IQ3_XXS"),
            Map.entry(19, "IQ1_S"), Map.entry(20, "IQ4_NL"), Map.entry(21, "IQ3_S"), Map.entry(22, "IQ2_S"),
            Map.entry(23, "IQ4_XS"), Map.entry(24, "I8"), Map.entry(25, "I16"), Map.entry(26, "I32"),
            Map.entry(27, "I64"), Map.entry(28, "F64"), Map.entry(29, "IQ1_M"), Map.entry(34, "TQ1_0"),
            Map.entry(35, "TQ2_0"), Map.entry(39, "MXFP4"), Map.entry(40, "NVFP4"));

    private GgmlTypes() {}

    /** The type of a number; empty if tensors of it are not read. */
    static Optional<StoredType> stored(int number) {
        return Optional.ofNullable(READABLE.get(number));
    }

    /** The number of a type. */
    static int number(StoredType type) {
        return READABLE.entrySet().stream().filter(each -> each.getValue() == type).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no weight of a GGUF file is " + type)).getKey();
    }

    /** What a number stands for, in words. */
    static String name(int number) {
        String other = OTHERS.get(number);
        return other != null ? other + ", which is not read"
                : "the unknown element type " + Integer.toUnsignedString(number);
    }

    /** The types that are read, in words. */
    static String readable() {
        return Arrays.stream(StoredType.values()).filter(StoredType::readsAsF32).map(StoredType::name)
                .collect(Collectors.joining(", "));
    }
}
