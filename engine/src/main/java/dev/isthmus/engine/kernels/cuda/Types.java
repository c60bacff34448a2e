package dev.isthmus.engine.kernels.cuda;

import dev.isthmus.bindings.cublas.CuBlas;
import dev.isthmus.engine.config.Activation;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.tensor.DType;

/** The types that the kernels compute with, as the kernels' names and cuBLAS call them. */
final class Types {

    private Types() {}

    /** What a weight matrix's elements are, and the activations beside it. */
    static DType elements(WeightType type) {
        return switch (type) {
            case F32 -> DType.F32;
            case F16 -> DType.F16;
            case BF16 -> DType.BF16;
            case INT8, Q4 -> throw new BackendException("cuda: keeping weights: expected F32, F16 or BF16, found "
                    + type + "; keep them as BF16, or use the CPU backend, which has kernels for it");
        };
    }

    /** The end of a kernel's name. */
    static String suffix(DType type) {
        return switch (type) {
            case F32 -> "f32";
            case F16 -> "f16";
            case BF16 -> "bf16";
            case F64, INT8 -> throw new IllegalArgumentException("the device's kernels have no " + type);
        };
    }

    /** The number of an activation in kernels.h. */
    static int code(Activation activation) {
        return switch (activation) {
            case NONE -> 0;
            case GELU_TANH -> 1;
            case GELU_ERF -> 2;
            case RELU -> 3;
        };
    }

    static int blas(DType type) {
        return switch (type) {
            case F32 -> CuBlas.CUDA_R_32F();
            case F16 -> CuBlas.CUDA_R_16F();
            case BF16 -> CuBlas.CUDA_R_16BF();
            case F64, INT8 -> throw new IllegalArgumentException("the device's kernels have no " + type);
        };
    }
}
