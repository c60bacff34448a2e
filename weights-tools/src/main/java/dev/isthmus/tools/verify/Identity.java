package dev.isthmus.tools.verify;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.io.Digests;
import dev.isthmus.tools.parity.OfficialFile;
import dev.isthmus.tools.parity.OfficialModel;
import dev.isthmus.tools.parity.OfficialTensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a checkpoint compares with the published model of its kind.
 *
 * @param model the published model
 * @param match how far the weights are its
 * @param differing where the tensors' hashes are published: the tensors that are others, or are missing
 * @param files of the other published files that are there, whether each is the published one
 */
public record Identity(OfficialModel model, Match match, List<String> differing, Map<String, Boolean> files) {

    /** How far weights are the published ones. */
    public enum Match {
        /** The file is the published one, bit by bit. */
        FILE,
        /** Every tensor is the published one, bit by bit, in a file that was saved anew. */
        TENSORS,
        /** The shape is the published model's, the weights are not. */
        NONE
    }

    /**
     * Compares.
     *
     * @param sha256 the weights' file's own SHA-256; empty if there are several
     * @param config the configuration, if there is one that can be read
     * @return empty if this is no published model, nor of a published model's shape
     */
    static Optional<Identity> of(Checkpoint checkpoint, Optional<String> sha256, Optional<Gpt2Config> config) {
        return byFile(checkpoint, sha256, OfficialModel.all())
                .or(() -> config.flatMap(OfficialModel::of).map(model -> byTensors(checkpoint, model)));
    }

    /** The model whose file of weights has this SHA-256. */
    static Optional<Identity> byFile(Checkpoint checkpoint, Optional<String> sha256, List<OfficialModel> models) {
        return models.stream().filter(model -> sha256.isPresent() && sha256.equals(
                Optional.ofNullable(model.files().get(Checkpoint.SINGLE_FILE)).map(OfficialFile::sha256)))
                .findFirst().map(model -> new Identity(model, Match.FILE, List.of(), files(checkpoint, model)));
    }

    /** How the tensors compare with a model's. */
    static Identity byTensors(Checkpoint checkpoint, OfficialModel model) {
        List<String> differing = new ArrayList<>();
        for (OfficialTensor published : model.tensors().values()) {
            Optional<TensorInfo> stored = checkpoint.tensor(published.name())
                    .or(() -> checkpoint.tensor("transformer." + published.name()));
            if (stored.filter(tensor -> isSame(checkpoint, tensor, published)).isEmpty()) {
                differing.add(published.name());
            }
        }
        Match match = !model.tensors().isEmpty() && differing.isEmpty() ? Match.TENSORS : Match.NONE;
        return new Identity(model, match, List.copyOf(differing), files(checkpoint, model));
    }

    private static boolean isSame(Checkpoint checkpoint, TensorInfo stored, OfficialTensor published) {
        return stored.type() == StoredType.F32 && stored.shape().equals(published.shape())
                && Digests.sha256(checkpoint, stored).equals(published.sha256());
    }

    private static Map<String, Boolean> files(Checkpoint checkpoint, OfficialModel model) {
        Map<String, Boolean> files = new LinkedHashMap<>();
        Path directory = checkpoint.path();
        for (OfficialFile published : model.files().values()) {
            Path file = directory.resolve(published.name());
            if (isText(published.name()) && Files.isRegularFile(file)) {
                files.put(published.name(), Digests.sha256(file).equals(published.sha256()));
            }
        }
        return files;
    }

    /** The configuration and the tokenizer's files; a model card or another framework's weights change nothing here. */
    private static boolean isText(String name) {
        return name.endsWith(".json") || name.equals("merges.txt");
    }
}
