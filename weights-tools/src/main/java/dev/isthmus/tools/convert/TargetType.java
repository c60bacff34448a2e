package dev.isthmus.tools.convert;

import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.weights.StoredType;
import java.util.Locale;
import java.util.Optional;

/** The types that a model's matrices can be converted to. */
public enum TargetType {
    /** IEEE 754 binary32. */
    F32(StoredType.F32, WeightType.F32, 0),
    /** IEEE 754 binary16. */
    F16(StoredType.F16, WeightType.F16, 1),
    /** The upper half of a binary32. */
    BF16(StoredType.BF16, WeightType.BF16, null),
    /** The engine's packed bytes. */
    INT8(null, WeightType.INT8, null),
    /** The engine's packed half bytes. */
    Q4(null, WeightType.Q4, null),
    /** ggml's blocks of bytes, for GGUF. */
    Q8_0(StoredType.Q8_0, null, 7);

    private final StoredType stored;
    private final WeightType packed;
    private final Integer ggufFileType;

    TargetType(StoredType stored, WeightType packed, Integer ggufFileType) {
        this.stored = stored;
        this.packed = packed;
        this.ggufFileType = ggufFileType;
    }

    /** The element type of a plain matrix; empty for what is only packed. */
    Optional<StoredType> stored() {
        return Optional.ofNullable(stored);
    }

    /** The type of a packed matrix; empty for what is never packed. */
    Optional<WeightType> packed() {
        return Optional.ofNullable(packed);
    }

    /** The number of llama.cpp's {@code enum llama_ftype}; empty if it is not written to GGUF files. */
    Optional<Integer> ggufFileType() {
        return Optional.ofNullable(ggufFileType);
    }

    /** Whether a Hugging Face directory can hold it. */
    boolean inSafetensors() {
        return packed != null || stored.inSafetensors();
    }

    /** The name on the command line and in JSON. */
    public String title() {
        return name().toLowerCase(Locale.ROOT);
    }
}
