package dev.isthmus.engine.tensor;

/** Where a {@link Tensor}'s memory is. */
public enum Place {
    /** In the process's own memory, which Java and native code read and write. */
    HOST,
    /** In the memory of a device, which only the kernels that allocated it read and write. */
    DEVICE
}
