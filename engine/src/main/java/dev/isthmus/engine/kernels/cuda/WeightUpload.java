package dev.isthmus.engine.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.isthmus.engine.kernels.DeviceMatrix;
import dev.isthmus.engine.kernels.HostMemory;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Brings weights to the device, where they are rounded and, if they lie [K, N], turned round. Used by the thread that
 * has entered the context.
 */
final class WeightUpload {

    private static final int TURNED = 32;

    private final CudaModule kernels;
    private final Transfers transfers;
    private final Workspace staging;

    WeightUpload(CudaContext context, CudaModule kernels, Transfers transfers) {
        this.kernels = kernels;
        this.transfers = transfers;
        staging = new Workspace(context);
    }

    /** Fills inputs [k0, k1) of outputs [n0, n1); the arguments have been checked. */
    void pack(DeviceMatrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1) {
        DType type = matrix.weight().dtype();
        long rowBytes = (long) matrix.inputs() * type.bytes();
        long into = matrix.weight().data().address() + n0 * rowBytes;
        if (k1 - k0 < matrix.inputs()) {
            packRows(matrix, layout, weights, k0, k1, n0, n1, into);
        } else if (layout == Layout.OUT_IN && type == DType.F32) {
            transfers.toDevice(weights, into);
        } else {
            MemorySegment values = staging.reserve(weights.byteSize());
            transfers.toDevice(weights, values.address());
            MemorySegment target = MemorySegment.ofAddress(into);
            if (layout == Layout.OUT_IN) {
                long elements = (long) (k1 - k0) * (n1 - n0);
                kernels.with(values).and(target).and(elements)
                        .launch("convert_f32_" + Types.suffix(type), Math.ceilDiv(elements, 1024L), 1, 1, 256);
            } else {
                kernels.with(values).and(target).and(k1 - k0).and(n1 - n0)
                        .launch("transpose_f32_" + Types.suffix(type), Math.ceilDiv(n1 - n0, TURNED),
                                Math.ceilDiv(k1 - k0, TURNED), 1, TURNED, 8, 0);
            }
        }
    }

    /** A part of each output's inputs, one output after another. Loaders take whole rows, so this may be slow. */
    private void packRows(DeviceMatrix matrix, Layout layout, MemorySegment weights, int k0, int k1, int n0, int n1,
            long into) {
        DType type = matrix.weight().dtype();
        int inputs = k1 - k0;
        int outputs = n1 - n0;
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment row = temporary.allocate((long) inputs * type.bytes(), Long.BYTES);
            for (int n = 0; n < outputs; n++) {
                for (int k = 0; k < inputs; k++) {
                    long index = layout == Layout.IN_OUT ? (long) k * outputs + n : (long) n * inputs + k;
                    HostMemory.set(row, type, k, weights.get(JAVA_FLOAT_UNALIGNED, index * Float.BYTES));
                }
                transfers.toDevice(row, into + ((long) n * matrix.inputs() + k0) * type.bytes());
            }
        }
    }

    void close() {
        staging.close();
    }
}
