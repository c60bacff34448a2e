package dev.isthmus.engine.weights;

import java.nio.ByteBuffer;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SeekableByteChannel;

/** A file in memory that gives at most {@code most} bytes a read, as any channel may. */
public final class ByteArrayChannel implements SeekableByteChannel {

    private final byte[] bytes;
    private final int most;
    private int position;

    public ByteArrayChannel(byte[] bytes, int most) {
        this.bytes = bytes;
        this.most = most;
    }

    @Override
    public int read(ByteBuffer into) {
        int count = Math.min(Math.min(into.remaining(), most), bytes.length - position);
        if (count <= 0 && into.hasRemaining()) {
            return -1;
        }
        into.put(bytes, position, count);
        position += count;
        return count;
    }

    @Override
    public int write(ByteBuffer from) {
        throw new NonWritableChannelException();
    }

    @Override
    public long position() {
        return position;
    }

    @Override
    public SeekableByteChannel position(long newPosition) {
        position = (int) Math.min(newPosition, bytes.length);
        return this;
    }

    @Override
    public long size() {
        return bytes.length;
    }

    @Override
    public SeekableByteChannel truncate(long size) {
        throw new NonWritableChannelException();
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {}
}
