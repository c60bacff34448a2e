package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.ForwardObserver;
import dev.isthmus.engine.api.LogitsVisitor;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The model under check.
 *
 * @param directory where it lies
 * @param model the open model
 * @param backend the kernels that it was asked to run on
 */
record Subject(Path directory, Model model, BackendChoice backend) implements AutoCloseable {

    static Subject open(Path directory, ModelOptions options) {
        return new Subject(directory, Model.open(directory, options), options.backend());
    }

    /** Reads a text and hands over the logits of all its positions. */
    void logits(int[] ids, LogitsVisitor visitor) {
        try (Session session = model.newSession()) {
            session.append(ids, visitor);
        }
    }

    /** Reads a text and shows what passes between the layers. */
    void observe(int[] ids, ForwardObserver observer) {
        try (Session session = model.newSession()) {
            session.append(ids, observer);
        }
    }

    /** The stored tensor of this name, which a file may write with the prefix {@code transformer.} */
    static Optional<TensorInfo> tensor(Checkpoint checkpoint, String name) {
        return checkpoint.tensor(name).or(() -> checkpoint.tensor("transformer." + name));
    }

    @Override
    public void close() {
        model.close();
    }
}
