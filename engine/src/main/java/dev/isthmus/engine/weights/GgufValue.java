package dev.isthmus.engine.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.function.Consumer;

/** A value of a GGUF file's metadata. */
public sealed interface GgufValue {

    /** An integer of any width; one of 64 bits without sign above 2^63 - 1 appears negative. */
    record Whole(long value) implements GgufValue {}

    /** A floating point number of 32 or 64 bits. */
    record Real(double value) implements GgufValue {}

    /** A truth value. */
    record Truth(boolean value) implements GgufValue {}

    /** A string. */
    record Text(String value) implements GgufValue {}

    /**
     * An array of strings.
     *
     * @param count how many there are
     * @param bytes each string's length as u64 and its bytes, checked to lie within
     */
    record Texts(int count, MemorySegment bytes) implements GgufValue {

        private static final ValueLayout.OfLong LENGTH =
                ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

        /** Gives each string's bytes in turn. */
        public void forEach(Consumer<byte[]> action) {
            long at = 0;
            for (int i = 0; i < count; i++) {
                long length = bytes.get(LENGTH, at);
                at += Long.BYTES;
                action.accept(bytes.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE));
                at += length;
            }
        }
    }

    /**
     * An array of 32-bit integers.
     *
     * @param count how many there are
     * @param bytes their bytes
     */
    record Wholes(int count, MemorySegment bytes) implements GgufValue {

        private static final ValueLayout.OfInt ELEMENT =
                ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

        /** One of them. */
        public int get(int index) {
            return bytes.getAtIndex(ELEMENT, index);
        }
    }

    /**
     * An array of any other type, whose elements nobody asks for.
     *
     * @param count how many there are
     */
    record OtherArray(int count) implements GgufValue {}
}
