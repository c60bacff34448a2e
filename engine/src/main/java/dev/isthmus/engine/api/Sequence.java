package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.kernels.Draw;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.kernels.TokenChooser;
import dev.isthmus.engine.model.Gpt2Forward;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A session's text: its tokens, their keys and values, and the logits behind the last. What was generated is part of the
 * text at once, and of the cache when logits behind it are asked for. Not safe for use by several threads at once.
 */
final class Sequence implements AutoCloseable {

    /** Rows of a chunk whose logits are all wanted: V floats each. */
    private static final int LOGITS_CHUNK_ROWS = 64;

    private final Model model;
    private final ContextPolicy policy;
    private final Meter meter;
    private final float[] logits;
    private KvCache cache;
    private int[] tokens;
    private int length;
    private boolean logitsValid;
    private volatile long cacheBytes;

    /** An empty text. */
    Sequence(Model model, ContextPolicy policy) {
        policy.check(model.config().context());
        this.model = model;
        this.policy = policy;
        logits = new float[model.config().vocabulary()];
        tokens = new int[64];
        cache = model.newCache();
        meter = model.meter().newSession();
    }

    private Sequence(Sequence from) {
        model = from.model;
        policy = from.policy;
        logits = from.logits.clone();
        tokens = from.tokens();
        length = from.length;
        logitsValid = from.logitsValid;
        cache = from.cache.fork();
        meter = model.meter().newSession();
        cacheBytes = cache.bytes();
    }

    /** The same text once more; keys and values are held in common. */
    Sequence fork() {
        return new Sequence(this);
    }

    /** What was done for it and what it holds; any thread may ask. */
    Metrics metrics() {
        return meter.metrics(cacheBytes);
    }

    ContextPolicy policy() {
        return policy;
    }

    int length() {
        return length;
    }

    int[] tokens() {
        return text().ids();
    }

    /** The text as it is now, which any thread may read later: the tokens in use are never overwritten in place. */
    Text text() {
        return new Text(tokens, length);
    }

    /** A text that does not change: the first {@code length} tokens of an array whose rest may. */
    record Text(int[] tokens, int length) {

        int[] ids() {
            return Arrays.copyOf(tokens, length);
        }
    }

    KvCache cache() {
        return cache;
    }

    /** The logits behind the last token, if they are known by now; the sequence's own array. */
    float[] knownLogits() {
        return logitsValid ? logits : null;
    }

    /** Adds a token, which is computed when the logits behind it are asked for. */
    void push(int id) {
        store(length, id);
        length++;
        logitsValid = false;
    }

    /** Makes an empty sequence the text of a snapshot, whose keys and values its cache holds already; the logits or null. */
    void restore(int[] ids, float[] knownLogits) {
        tokens = ids;
        length = ids.length;
        logitsValid = knownLogits != null;
        if (logitsValid) {
            System.arraycopy(knownLogits, 0, logits, 0, logits.length);
        }
    }

    /** The logits of the last position, computing what is not yet in the cache; the sequence's own array. */
    float[] currentLogits(LayerProbe probe) {
        if (length == 0) {
            throw new InvalidInputException("logits: the session is empty; append at least one token first");
        }
        if (!logitsValid) {
            computeLast(this::keep, probe);
        }
        return logits;
    }

    private void computeLast(Consumer<Tensor> last, LayerProbe probe) {
        makeRoom(0, () -> {
            cache.rewind(Math.min(cache.length(), length - 1));
            compute(length, length - 1, last, null, probe);
        });
    }

    /** The next token of a continuation, which becomes part of the text. */
    Token next(Continuation continuation, LayerProbe probe) {
        Optional<TokenChooser> chooser = model.computeBackend().tokenChooser();
        Optional<Draw> draw = chooser.isPresent() && !logitsValid ? continuation.draw() : Optional.empty();
        int chosen = draw.isPresent() ? choose(chooser.get(), draw.get(), probe) : -1;
        Token token = chosen >= 0 ? continuation.chosen(chosen) : continuation.next(currentLogits(probe));
        push(token.id());
        return token;
    }

    /** What the kernels choose without showing the logits; negative if there is nothing to choose. */
    private int choose(TokenChooser chooser, Draw draw, LayerProbe probe) {
        int[] chosen = new int[1];
        computeLast(rows -> chosen[0] = chooser.choose(rows, 0, draw)[0], probe);
        logitsValid = false;
        return chosen[0];
    }

    /** Reads tokens, and hands over the logits from {@code ids[firstLogits]} on where there is a visitor. */
    void read(int[] ids, int firstLogits, LogitsVisitor visitor, LayerProbe probe) {
        if (ids.length == 0) {
            throw new InvalidInputException("append: the prompt is empty; at least one token is needed");
        }
        for (int i = 0; i < ids.length; i++) {
            model.forward().checkToken(ids[i], length + i);
        }
        makeRoom(ids.length, () -> {
            int before = length;
            boolean validBefore = logitsValid;
            for (int i = 0; i < ids.length; i++) {
                store(before + i, ids[i]);
            }
            try {
                compute(before + ids.length, before + firstLogits, this::keep, visitor, probe);
            } catch (Throwable failed) {
                truncate(before);
                logitsValid = validBefore;
                throw failed;
            }
            length = before + ids.length;
        });
    }

    /** Runs {@code work}, which adds {@code count} tokens, after dropping what must go for them by the policy. */
    private void makeRoom(int count, Runnable work) {
        int context = cache.context();
        int dropped = policy.toDrop(context, length, count);
        if (dropped == 0) {
            work.run();
            return;
        }
        int left = length - dropped;
        // At least the token that is to be computed must stay.
        if (left < policy.kept() || left + count < 1) {
            throw new ContextFullException(context, Math.min(length, context), Math.max(count, length - context));
        }
        int[] tokensBefore = tokens;
        int lengthBefore = length;
        boolean validBefore = logitsValid;
        KvCache cacheBefore = cache.fork();
        try {
            tokens = tokens.clone();
            System.arraycopy(tokensBefore, policy.kept() + dropped, tokens, policy.kept(), left - policy.kept());
            truncate(left);
            cache.rewind(Math.min(cache.length(), policy.kept()));
            logitsValid = false;
            work.run();
            cacheBefore.close();
        } catch (Throwable failed) {
            cache.close();
            cache = cacheBefore;
            tokens = tokensBefore;
            length = lengthBefore;
            logitsValid = validBefore;
            throw failed;
        }
    }

    /** Keeps the last row, whatever an observer does. */
    private void keep(Tensor rows) {
        model.computeBackend().tensors().read(rows, (rows.dim(0) - 1) * logits.length, logits);
    }

    /**
     * Computes what is not in the cache up to {@code to}.
     *
     * @param last takes the logits of the last pass, whose last row is that of the last position
     * @param visitor takes copies of those from position {@code firstLogits} on, unless it is null
     */
    private void compute(int to, int firstLogits, Consumer<Tensor> last, LogitsVisitor visitor, LayerProbe probe) {
        float[] shown = visitor == null ? null : new float[logits.length];
        logitsValid = false;
        if (!probe.needsEveryRow()) {
            cache.adopt(tokens, firstLogits);
        }
        try (PassPool.Pass pass = model.passes().borrow()) {
            for (int start = cache.length(); start < to; start = cache.length()) {
                int chunk = Gpt2Forward.chunk(to - start);
                int end = start + (visitor != null && start + chunk > firstLogits ? Math.min(chunk, LOGITS_CHUNK_ROWS)
                        : chunk);
                RowBatch batch = pass.batch(end - start);
                batch.add(cache, tokens, start, end);
                int first = Math.max(firstLogits, start);
                int[] outputs = new int[Math.max(0, end - first)];
                for (int i = 0; i < outputs.length; i++) {
                    outputs[i] = first - start + i;
                }
                Tensor rowsOfLogits = meter.pass(batch, () -> pass.forward(outputs, probe));
                cache.publish(tokens, start);
                cacheBytes = cache.bytes();
                for (int i = 0; visitor != null && i < outputs.length; i++) {
                    model.computeBackend().tensors().read(rowsOfLogits, (long) i * logits.length, shown);
                    visitor.row(first + i, shown);
                }
                if (end == to) {
                    last.accept(rowsOfLogits);
                }
            }
        }
        logitsValid = true;
    }

    /** Forgets all but the first {@code newLength} tokens. */
    void truncate(int newLength) {
        if (newLength != length || cache.length() > newLength) {
            logitsValid = false;
        }
        if (newLength < length) {
            tokens = Arrays.copyOf(tokens, Math.max(64, newLength));
        }
        length = newLength;
        cache.rewind(Math.min(newLength, cache.length()));
    }

    private void store(int index, int id) {
        if (index >= tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(64, 2 * index));
        }
        tokens[index] = id;
    }

    /** Lets go of keys and values; idempotent. */
    @Override
    public void close() {
        cache.close();
        cacheBytes = 0;
        meter.close();
    }
}
