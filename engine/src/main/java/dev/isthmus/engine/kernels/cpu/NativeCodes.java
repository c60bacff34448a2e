package dev.isthmus.engine.kernels.cpu;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.tensor.DType;

/** The numbers of {@code isthmus.h} for the engine's enums. */
final class NativeCodes {

    private NativeCodes() {}

    static int of(Layout layout) {
        return switch (layout) {
            case IN_OUT -> Isthmus.ISTHMUS_LAYOUT_IN_OUT();
            case OUT_IN -> Isthmus.ISTHMUS_LAYOUT_OUT_IN();
        };
    }

    static int of(WeightType type) {
        return switch (type) {
            case F32 -> Isthmus.ISTHMUS_TYPE_F32();
            case F16 -> Isthmus.ISTHMUS_TYPE_F16();
            case BF16 -> Isthmus.ISTHMUS_TYPE_BF16();
            case INT8 -> Isthmus.ISTHMUS_TYPE_INT8();
            case Q4 -> Isthmus.ISTHMUS_TYPE_Q4();
        };
    }

    /** The type of a cache's elements. */
    static int of(DType type) {
        return switch (type) {
            case F32 -> Isthmus.ISTHMUS_TYPE_F32();
            case F16 -> Isthmus.ISTHMUS_TYPE_F16();
            case INT8 -> Isthmus.ISTHMUS_TYPE_INT8();
            case BF16, F64 -> throw new IllegalArgumentException("a cache of " + type);
        };
    }

    static int of(Activation activation) {
        return switch (activation) {
            case NONE -> Isthmus.ISTHMUS_ACT_NONE();
            case GELU_TANH -> Isthmus.ISTHMUS_ACT_GELU_TANH();
            case GELU_ERF -> Isthmus.ISTHMUS_ACT_GELU_ERF();
            case RELU -> Isthmus.ISTHMUS_ACT_RELU();
        };
    }
}
