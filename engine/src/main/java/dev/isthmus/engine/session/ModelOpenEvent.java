package dev.isthmus.engine.session;

import java.nio.file.Path;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A model has been opened: from the first file to the last weight. */
@Name("isthmus.ModelOpen")
@Label("Model Open")
@Description("Reading a model's configuration, tokenizer and weights")
@Category("Isthmus")
@StackTrace(false)
final class ModelOpenEvent extends Event {

    @Label("Path")
    String path;

    @Label("Weights Read")
    @DataAmount
    long bytes;

    @Label("Weight Type")
    @Description("What the output matrix is kept as")
    String weightType;

    @Label("Layers")
    int layers;

    @Label("Channels")
    int channels;

    @Label("Vocabulary")
    int vocabulary;

    @Label("Kernels")
    String backend;

    /** Ends the event, and records it if it is wanted. */
    void commit(Path opened, LoadedModel model) {
        end();
        if (shouldCommit()) {
            path = opened.toString();
            weightType = model.forward().weights().head().weight().type().name();
            layers = model.config().layers();
            channels = model.config().channels();
            vocabulary = model.config().vocabulary();
            backend = model.backend().description();
            commit();
        }
    }
}
