package dev.isthmus.engine.model;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.Layout;
import dev.isthmus.engine.kernels.Matrix;
import dev.isthmus.engine.kernels.PackedMatrix;
import dev.isthmus.engine.kernels.WeightMemory;
import dev.isthmus.engine.tensor.Tensor;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;

/**
 * Reads weights in pieces, with a few threads, and reports how far it is. A piece is small enough to be in a processor's
 * cache when it is packed, and for the threads to end together.
 */
public final class WeightPieces {

    private static final int PIECE_BYTES = 1 << 19;

    private static final String READING = "reading the weights";

    /** What is mapped at a time, which a disk delivers in the time between two reports of progress. */
    private static final long IN_PLACE_BYTES = 1 << 24;

    private final Checkpoint checkpoint;
    private final WeightMemory memory;
    private final List<Piece> pieces;
    private final BiConsumer<Long, Long> progress;
    private final Set<Matrix> outOfRange = Collections.synchronizedSet(
            Collections.newSetFromMap(new IdentityHashMap<>()));
    private final long total;
    private long done;

    /**
     * Prepares to read.
     *
     * @param progress told (bytes read, bytes in all), one call at a time
     */
    public WeightPieces(Checkpoint checkpoint, WeightMemory memory, List<Piece> pieces, BiConsumer<Long, Long> progress) {
        this.checkpoint = checkpoint;
        this.memory = memory;
        this.pieces = pieces;
        this.progress = progress;
        this.total = pieces.stream().mapToLong(Piece::storedBytes).sum();
    }

    /** What is read at a time. */
    public sealed interface Piece {

        /** The bytes that it has in the file. */
        long storedBytes();

        /** The memory that reading it needs besides its target. */
        default long bufferBytes() {
            return 0;
        }
    }

    /** A whole tensor of F32. */
    record Vector(TensorInfo info, Tensor into) implements Piece {

        @Override
        public long storedBytes() {
            return info.bytes();
        }
    }

    /** Inputs [k0, k1) of outputs [n0, n1) of a matrix, which lie together in the file. */
    public record Part(TensorInfo info, Layout layout, Matrix matrix, int k0, int k1, int n0, int n1) implements Piece {

        private long elements() {
            return (long) (k1 - k0) * (n1 - n0);
        }

        /** The index of its first element in the tensor. */
        public long first() {
            return layout == Layout.IN_OUT ? (long) k0 * matrix.outputs() : (long) n0 * matrix.inputs();
        }

        @Override
        public long storedBytes() {
            return info.type().bytes(elements());
        }

        @Override
        public long bufferBytes() {
            return elements() * Float.BYTES;
        }
    }

    /** Outputs [n0, n1), whole panels, of a matrix that is stored packed. */
    record Panels(TensorInfo info, WeightType stored, Matrix matrix, int n0, int n1) implements Piece {

        private long first() {
            return n0 / PackedMatrix.PANEL * PackedMatrix.panelBytes(stored, matrix.inputs());
        }

        @Override
        public long storedBytes() {
            return PackedMatrix.bytes(stored, matrix.inputs(), n1 - n0);
        }

        @Override
        public long bufferBytes() {
            return storedBytes() + (long) matrix.inputs() * (n1 - n0) * Float.BYTES;
        }
    }

    /** A part of a matrix that is used where it lies in a mapped file. */
    record InPlace(MemorySegment part) implements Piece {

        @Override
        public long storedBytes() {
            return part.byteSize();
        }
    }

    /**
     * The pieces of a matrix that is stored plain.
     *
     * @param wholeRows whether packing is fastest with all inputs of an output at once
     */
    public static List<Piece> of(TensorInfo info, Layout layout, Matrix matrix, boolean wholeRows) {
        List<Piece> pieces = new ArrayList<>();
        int inputs = matrix.inputs();
        int outputs = matrix.outputs();
        if (layout == Layout.IN_OUT) {
            int block = matrix.type().blockInputs();
            // A tensor that is transposed while it is read is read fastest as a whole, too.
            boolean whole = info.transposed() || wholeRows;
            int step = whole ? inputs : Math.max(1, PIECE_BYTES / Float.BYTES / outputs / block) * block;
            for (int k = 0; k < inputs; k += step) {
                pieces.add(new Part(info, layout, matrix, k, Math.min(k + step, inputs), 0, outputs));
            }
        } else {
            int panels = Math.max(1, PIECE_BYTES / Float.BYTES / inputs / PackedMatrix.PANEL);
            int step = panels * PackedMatrix.PANEL;
            for (int n = 0; n < outputs; n += step) {
                pieces.add(new Part(info, layout, matrix, 0, inputs, n, Math.min(n + step, outputs)));
            }
        }
        return pieces;
    }

    /** The pieces of a matrix that is stored packed. */
    static List<Piece> ofPacked(TensorInfo info, WeightType stored, Matrix matrix) {
        List<Piece> pieces = new ArrayList<>();
        for (int n = 0; n < matrix.outputs(); n += PackedMatrix.PANEL) {
            pieces.add(new Panels(info, stored, matrix, n, Math.min(n + PackedMatrix.PANEL, matrix.outputs())));
        }
        return pieces;
    }

    /** The pieces of a matrix that is used where it lies in a mapped file. */
    static List<Piece> inPlace(MemorySegment matrix) {
        List<Piece> pieces = new ArrayList<>();
        for (long at = 0; at < matrix.byteSize(); at += IN_PLACE_BYTES) {
            pieces.add(new InPlace(matrix.asSlice(at, Math.min(IN_PLACE_BYTES, matrix.byteSize() - at))));
        }
        return pieces;
    }

    /**
     * Reads all pieces. Returns, with or without a failure, only after every thread has ended, so that the caller may
     * free the memory.
     *
     * @param threads how many may read at a time, the caller's included; at least 1
     */
    public void read(int threads) {
        long bufferBytes = pieces.stream().mapToLong(Piece::bufferBytes).max().orElse(0);
        ConcurrentLinkedDeque<MemorySegment> buffers = new ConcurrentLinkedDeque<>();
        try (Arena arena = Arena.ofShared()) {
            runAll(pieces.stream().map(piece -> (Runnable) () -> {
                MemorySegment idle = buffers.pollFirst();
                MemorySegment buffer = idle != null ? idle : arena.allocate(bufferBytes, Tensor.ALIGNMENT);
                read(piece, buffer);
                buffers.addFirst(buffer);
                advance(piece.storedBytes());
            }).toList(), threads);
        }
    }

    /** The matrices with weights that are out of the range of their type's scales; complete after {@link #read}. */
    Set<Matrix> outOfRange() {
        return outOfRange;
    }

    private void read(Piece piece, MemorySegment buffer) {
        switch (piece) {
            case Vector vector -> memory.fill(vector.into(), into -> checkpoint.readF32(vector.info(), 0, into));
            case Part part -> {
                MemorySegment weights = buffer.asSlice(0, part.bufferBytes());
                checkpoint.readF32(part.info(), part.first(), weights);
                pack(part, weights);
            }
            case Panels panels -> readPanels(panels, buffer);
            case InPlace mapped -> memory.mapped().orElseThrow().touch(mapped.part());
        }
    }

    private void readPanels(Panels panels, MemorySegment buffer) {
        Matrix matrix = panels.matrix();
        if (matrix instanceof PackedMatrix packed && packed.type() == panels.stored()) {
            checkpoint.readBytes(panels.info(), panels.first(),
                    packed.data().asSlice(panels.first(), panels.storedBytes()));
            return;
        }
        int inputs = matrix.inputs();
        int outputs = panels.n1() - panels.n0();
        MemorySegment bytes = buffer.asSlice(0, panels.storedBytes());
        checkpoint.readBytes(panels.info(), panels.first(), bytes);
        PackedMatrix stored = new PackedMatrix(panels.stored(), inputs, outputs, bytes);
        MemorySegment weights = buffer.asSlice(panels.storedBytes(), (long) inputs * outputs * Float.BYTES);
        for (int k = 0; k < inputs; k++) {
            for (int n = 0; n < outputs; n++) {
                weights.set(ValueLayout.JAVA_FLOAT_UNALIGNED, ((long) k * outputs + n) * Float.BYTES,
                        stored.weight(k, n));
            }
        }
        pack(new Part(panels.info(), Layout.IN_OUT, matrix, 0, inputs, panels.n0(), panels.n1()), weights);
    }

    private void pack(Part part, MemorySegment weights) {
        Matrix matrix = part.matrix();
        memory.pack(matrix, part.layout(), weights, part.k0(), part.k1(), part.n0(), part.n1());
        ScaleRange.Weights packed = new ScaleRange.Weights(part.layout(), weights, part.k1() - part.k0(),
                part.n1() - part.n0());
        if (!ScaleRange.holds(matrix, packed, part.k0(), part.n0())) {
            outOfRange.add(matrix);
        }
    }

    private synchronized void advance(long bytes) {
        done += bytes;
        progress.accept(done, total);
    }

    /**
     * Does all tasks on at most {@code threads} threads, the caller's included, in about the order of the list. After
     * a failure no further one begins; it is thrown when every thread has ended. Where the process gets fewer threads,
     * fewer do the work.
     *
     * @throws dev.isthmus.engine.errors.CancelledException if the caller is interrupted before all is done
     */
    public static void runAll(List<? extends Runnable> tasks, int threads) {
        Thread caller = Thread.currentThread();
        AtomicInteger next = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Runnable work = () -> {
            try {
                int i;
                while (failure.get() == null && (i = next.getAndIncrement()) < tasks.size()) {
                    Interrupts.check(caller, READING);
                    tasks.get(i).run();
                }
            } catch (RuntimeException | Error e) {
                failure.compareAndSet(null, e);
            }
        };
        List<Thread> helpers = startHelpers(Math.min(threads, tasks.size()) - 1, work);
        work.run();
        joinAll(helpers, () -> failure.compareAndSet(null, Interrupts.cancelled(READING)));
        switch (failure.get()) {
            case null -> { }
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new AssertionError(e);
        }
    }

    private static List<Thread> startHelpers(int count, Runnable work) {
        List<Thread> helpers = new ArrayList<>();
        try {
            for (int i = 1; i <= count; i++) {
                helpers.add(Thread.ofPlatform().name("isthmus-load-" + i).daemon().start(work));
            }
        } catch (OutOfMemoryError noThread) {
            // Those that were started, and the caller, take longer.
        }
        return helpers;
    }

    private static void joinAll(List<Thread> helpers, Runnable onInterrupt) {
        boolean interrupted = false;
        for (Thread helper : helpers) {
            while (true) {
                try {
                    helper.join();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                    onInterrupt.run();
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
