package dev.isthmus.engine.session;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.model.LayerProbe;
import dev.isthmus.engine.model.PassPool;
import dev.isthmus.engine.sampling.Hypotheses;
import dev.isthmus.engine.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Texts that continue one beginning in different ways and are read together, a token of each in a pass. They have the
 * keys and values of what they have in common in the same blocks.
 */
public final class TextBranches implements Hypotheses, AutoCloseable {

    /** The most texts in a pass, which computes V logits for each. */
    private static final int MAX_ROWS = 64;

    private final LoadedModel model;
    private final LayerProbe probe;
    /** All caches that are open. */
    private final List<KvCache> caches = new ArrayList<>();
    private List<Branch> branches;

    /** A text, and the cache of what has been read of it. */
    private record Branch(KvCache cache, int[] text) {

        Branch with(int token, KvCache next) {
            int[] longer = Arrays.copyOf(text, text.length + 1);
            longer[text.length] = token;
            return new Branch(next, longer);
        }
    }

    /**
     * The one text that they begin with.
     *
     * @param begun the text, which stays the caller's
     */
    public TextBranches(LoadedModel model, Sequence begun, LayerProbe probe) {
        this.model = model;
        this.probe = probe;
        KvCache cache = begun.cache().fork();
        caches.add(cache);
        branches = List.of(new Branch(cache, begun.tokens()));
    }

    @Override
    public float[][] advance(int[] parents, int[] tokens) {
        List<Branch> next = new ArrayList<>();
        List<KvCache> unused = new ArrayList<>(caches);
        for (int i = 0; i < parents.length; i++) {
            Branch parent = branches.get(parents[i]);
            KvCache cache = parent.cache;
            if (!unused.remove(cache)) {
                cache = cache.fork();
                caches.add(cache);
            }
            next.add(parent.with(tokens[i], cache));
        }
        // Their memory may be what the others need.
        for (KvCache cache : unused) {
            cache.close();
            caches.remove(cache);
        }
        branches = next;
        float[][] logits = new float[parents.length][model.config().vocabulary()];
        try (PassPool.Pass pass = model.passes().borrow()) {
            for (int from = 0; from < parents.length; from += MAX_ROWS) {
                int to = Math.min(parents.length, from + MAX_ROWS);
                read(pass, branches.subList(from, to), Arrays.copyOfRange(logits, from, to));
            }
        }
        return logits;
    }

    /** Reads what is unread of some texts; fills {@code logits} with those after them. */
    private void read(PassPool.Pass pass, List<Branch> texts, float[][] logits) {
        int[] begun = texts.stream().mapToInt(each -> each.cache.length()).toArray();
        RowBatch batch = pass.batch(texts.stream().mapToInt(each -> each.text.length).sum() - Arrays.stream(begun).sum());
        for (Branch each : texts) {
            batch.add(each.cache, each.text, each.cache.length(), each.text.length);
        }
        int[] last = batch.lastRows();
        Tensor rows = model.recorder().pass(batch, () -> pass.forward(last, probe));
        for (int i = 0; i < last.length; i++) {
            texts.get(i).cache.publish(texts.get(i).text, begun[i]);
            model.backend().tensors().read(rows, (long) i * logits[i].length, logits[i]);
        }
    }

    @Override
    public void close() {
        caches.forEach(KvCache::close);
    }
}
