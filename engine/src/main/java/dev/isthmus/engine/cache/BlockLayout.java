package dev.isthmus.engine.cache;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.isthmus.engine.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Where keys and values lie in a block of a cache, as isthmus.h says for the kernels: for each layer in turn the keys
 * [D, B] of each head and then the values [B, D'] of each head, D' being D rounded up to a multiple of 16. INT8 keys
 * are [D / 4, B, 4], D rounded up, with an offset of 128, and INT8 values [B / 4, D', 4]; the float32 scale of each
 * position follows a head's keys, and its values. In a device's memory a block has the same size and the order of its
 * {@link BlockMemory}.
 *
 * @param layers the model's layers
 * @param heads H
 * @param headChannels D
 * @param type the elements: F64, F32, F16 or INT8; also BF16 on a device
 */
record BlockLayout(int layers, int heads, int headChannels, DType type) {

    private static final int B = KvCache.BLOCK_POSITIONS;

    /** Values are this many elements apart, or a multiple, so that kernels read whole vectors. */
    private static final int VALUE_MULTIPLE = 16;

    /** INT8 channels of one key, or positions of one channel of values, that lie side by side. */
    private static final int FOUR = 4;

    private static final int INT8_LIMIT = 127;
    private static final int INT8_OFFSET = 128;

    /** What is so small that its inverse would overflow counts as zero. */
    private static final float TINY = 0x1p-100f;

    /** The elements of a block. */
    long elements() {
        return layers * layerElements();
    }

    /** Where a layer begins, in elements. */
    long layerOffset(int layer) {
        return layer * layerElements();
    }

    /** Where the keys of a layer's head begin, in elements. */
    long keys(int layer, int head) {
        return layerOffset(layer) + head * (keyElements() + scaleElements());
    }

    /** Where the values of a layer's head begin, in elements. */
    long values(int layer, int head) {
        return keys(layer, heads) + head * (valueElements() + scaleElements());
    }

    /** D'. */
    int valueStride() {
        return Math.ceilDiv(headChannels, VALUE_MULTIPLE) * VALUE_MULTIPLE;
    }

    private long layerElements() {
        return heads * (keyElements() + valueElements() + 2 * scaleElements());
    }

    private long keyElements() {
        return (long) B * (type == DType.INT8 ? Math.ceilDiv(headChannels, FOUR) * FOUR : headChannels);
    }

    private long valueElements() {
        return (long) B * valueStride();
    }

    private long scaleElements() {
        return type == DType.INT8 ? (long) B * Float.BYTES : 0;
    }

    private long keyIndex(int layer, int head, int slot, int d) {
        return keys(layer, head) + (type == DType.INT8 ? (long) d / FOUR * FOUR * B + (long) slot * FOUR + d % FOUR
                : (long) d * B + slot);
    }

    private long valueIndex(int layer, int head, int slot, int d) {
        return values(layer, head) + (type == DType.INT8
                ? (long) slot / FOUR * FOUR * valueStride() + (long) d * FOUR + slot % FOUR
                : (long) slot * valueStride() + d);
    }

    private long keyScale(int layer, int head, int slot) {
        return keys(layer, head) + keyElements() + (long) slot * Float.BYTES;
    }

    private long valueScale(int layer, int head, int slot) {
        return values(layer, head) + valueElements() + (long) slot * Float.BYTES;
    }

    /** Channel {@code d} of a position's key. */
    double key(MemorySegment data, int layer, int head, int slot, int d) {
        long index = keyIndex(layer, head, slot, d);
        return type == DType.INT8
                ? data.get(ValueLayout.JAVA_FLOAT, keyScale(layer, head, slot))
                        * ((data.get(JAVA_BYTE, index) & 0xff) - INT8_OFFSET)
                : element(data, index);
    }

    /** Channel {@code d} of a position's value. */
    double value(MemorySegment data, int layer, int head, int slot, int d) {
        long index = valueIndex(layer, head, slot, d);
        return type == DType.INT8
                ? data.get(ValueLayout.JAVA_FLOAT, valueScale(layer, head, slot)) * data.get(JAVA_BYTE, index)
                : element(data, index);
    }

    private double element(MemorySegment data, long index) {
        return switch (type) {
            case F64 -> data.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
            case F32 -> data.getAtIndex(ValueLayout.JAVA_FLOAT, index);
            case F16 -> Float.float16ToFloat(data.getAtIndex(ValueLayout.JAVA_SHORT, index));
            case BF16, INT8 -> throw new IllegalStateException("an element of " + type);
        };
    }

    /** Writes a position's key and value of one head, D channels each, as the type rounds them. */
    void set(MemorySegment data, int layer, int head, int slot, double[] key, double[] value) {
        if (type == DType.INT8) {
            setBytes(data, layer, head, slot, key, value);
            return;
        }
        for (int d = 0; d < headChannels; d++) {
            set(data, keyIndex(layer, head, slot, d), key[d]);
            set(data, valueIndex(layer, head, slot, d), value[d]);
        }
    }

    private void setBytes(MemorySegment data, int layer, int head, int slot, double[] key, double[] value) {
        data.set(ValueLayout.JAVA_FLOAT, keyScale(layer, head, slot), scale(key));
        data.set(ValueLayout.JAVA_FLOAT, valueScale(layer, head, slot), scale(value));
        float keyInverse = inverse(key);
        float valueInverse = inverse(value);
        for (int d = 0; d < headChannels; d++) {
            data.set(JAVA_BYTE, keyIndex(layer, head, slot, d),
                    (byte) (INT8_OFFSET + Math.rint((float) key[d] * keyInverse)));
            data.set(JAVA_BYTE, valueIndex(layer, head, slot, d),
                    (byte) Math.rint((float) value[d] * valueInverse));
        }
    }

    private void set(MemorySegment data, long index, double value) {
        switch (type) {
            case F64 -> data.setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
            case F32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, index, (float) value);
            case F16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, index, Float.floatToFloat16((float) value));
            case BF16, INT8 -> throw new IllegalStateException("an element of " + type);
        }
    }

    /** Of which the largest magnitude is 127; NaN where that is not finite. */
    private static float scale(double[] channels) {
        float largest = largest(channels);
        return Float.isFinite(largest) ? largest / INT8_LIMIT : Float.NaN;
    }

    private static float inverse(double[] channels) {
        float largest = largest(channels);
        return largest > TINY ? INT8_LIMIT / largest : 0;
    }

    private static float largest(double[] channels) {
        float largest = 0;
        for (double channel : channels) {
            largest = Math.max(largest, Math.abs((float) channel));
        }
        return largest;
    }

    /** The keys of a layer's head, [D, B]. */
    void readKeys(MemorySegment data, int layer, int head, float[] into) {
        if (type == DType.F32) {
            MemorySegment.copy(data, ValueLayout.JAVA_FLOAT, keys(layer, head) * Float.BYTES, into, 0, into.length);
            return;
        }
        for (int i = 0; i < into.length; i++) {
            into[i] = (float) key(data, layer, head, i % B, i / B);
        }
    }

    /** The values of a layer's head, [B, D]. */
    void readValues(MemorySegment data, int layer, int head, float[] into) {
        for (int i = 0; i < into.length; i++) {
            into[i] = (float) value(data, layer, head, i / headChannels, i % headChannels);
        }
    }

    /** Zeroes what is kept of a position. */
    void clear(MemorySegment data, int slot) {
        for (int layer = 0; layer < layers; layer++) {
            for (int head = 0; head < heads; head++) {
                for (int d = 0; d < headChannels; d++) {
                    clear(data, keyIndex(layer, head, slot, d), 1);
                    clear(data, valueIndex(layer, head, slot, d), 1);
                }
                if (type == DType.INT8) {
                    clear(data, keyScale(layer, head, slot), Float.BYTES);
                    clear(data, valueScale(layer, head, slot), Float.BYTES);
                }
            }
        }
    }

    private void clear(MemorySegment data, long index, long count) {
        data.asSlice(index * type.bytes(), count * type.bytes()).fill((byte) 0);
    }
}
