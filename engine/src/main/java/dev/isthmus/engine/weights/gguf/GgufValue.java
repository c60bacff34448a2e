package dev.isthmus.engine.weights.gguf;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
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

        /** Makes one of texts. */
        public static Texts of(List<String> texts) {
            List<byte[]> all = texts.stream().map(text -> text.getBytes(StandardCharsets.UTF_8)).toList();
            MemorySegment bytes = MemorySegment.ofArray(
                    new byte[all.stream().mapToInt(each -> Long.BYTES + each.length).reduce(0, Math::addExact)]);
            long at = 0;
            for (byte[] each : all) {
                bytes.set(LENGTH, at, each.length);
                MemorySegment.copy(each, 0, bytes, ValueLayout.JAVA_BYTE, at + Long.BYTES, each.length);
                at += Long.BYTES + each.length;
            }
            return new Texts(all.size(), bytes);
        }

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

        /** Makes one of numbers. */
        public static Wholes of(int[] numbers) {
            MemorySegment bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(Integer.BYTES, numbers.length)]);
            MemorySegment.copy(numbers, 0, bytes, ELEMENT, 0, numbers.length);
            return new Wholes(numbers.length, bytes);
        }

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
