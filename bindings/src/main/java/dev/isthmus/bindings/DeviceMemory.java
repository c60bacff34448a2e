package dev.isthmus.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Addresses in a device's memory that belong to an arena. It is here because giving an address an owner is a restricted
 * method, which only this module is allowed.
 */
public final class DeviceMemory {

    private DeviceMemory() {
    }

    /**
     * A segment at a device's address, without any bytes that Java could read.
     *
     * @param address the address
     * @param arena   its owner
     * @param free    run when the arena closes, on the thread that closes it
     */
    public static MemorySegment owned(long address, Arena arena, Runnable free) {
        return MemorySegment.ofAddress(address).reinterpret(0, arena, segment -> free.run());
    }

    /** The same for a part of memory that is freed as a whole. */
    public static MemorySegment part(long address, Arena arena) {
        return MemorySegment.ofAddress(address).reinterpret(0, arena, null);
    }

    /** The address so many bytes behind another, of the same owner. */
    public static MemorySegment behind(MemorySegment address, long bytes) {
        return address.reinterpret(bytes).asSlice(bytes);
    }

    /** Memory of the process that a driver allocated, such as page-locked memory. */
    public static MemorySegment host(MemorySegment address, long bytes, Arena arena, Runnable free) {
        return address.reinterpret(bytes, arena, segment -> free.run());
    }
}
