package dev.isthmus.tools.parity;

import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.ParameterCount;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;

/** Checks that a directory's files and tensors are the published ones, bit by bit. */
final class IdentityChecks {

    private static final String WEIGHTS = Checkpoint.SINGLE_FILE;

    private IdentityChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        return switch (entry.id()) {
            case "identity-gpt2-files" -> files(files(expected.get("files")),
                    expected.get("parameter_count").whole());
            case "identity-other-sizes" -> otherSizes(expected);
            case "identity-tensors" -> tensors(expected);
            default -> throw new NoSuchElementException(entry.id() + ": unknown identity " + expected.names());
        };
    }

    /** A published file; a size of −1 is not known. */
    private record PublishedFile(String name, long bytes, String sha256) {

        static PublishedFile of(String name, Tree tree) {
            return new PublishedFile(name, tree.has("bytes") ? tree.get("bytes").whole() : -1,
                    tree.get("sha256").text());
        }
    }

    private static List<PublishedFile> files(Tree files) {
        return files.names().stream()
                .filter(name -> name.contains(".") && files.get(name).has("sha256"))
                .map(name -> PublishedFile.of(name, files.get(name))).toList();
    }

    /** Every published file that the directory has. Files that people add or change, such as README.md, are theirs. */
    private static Check files(List<PublishedFile> files, long parameters) {
        return subject -> {
            Comparison comparison = new Comparison();
            compareFiles(subject.directory(), files, comparison);
            try (Checkpoint checkpoint = Checkpoint.open(subject.directory())) {
                comparison.equal("parameters", parameters, ParameterCount.of(checkpoint));
            }
            return comparison.outcome();
        };
    }

    private static void compareFiles(Path directory, List<PublishedFile> files, Comparison comparison) {
        for (PublishedFile file : files) {
            Path path = directory.resolve(file.name());
            if (Files.isRegularFile(path) && !file.name().endsWith(".md") && !file.name().startsWith(".")) {
                if (file.bytes() >= 0) {
                    comparison.equal("size of " + file.name(), file.bytes(), size(path));
                }
                comparison.equal("SHA-256 of " + file.name(), file.sha256(), Sha256.of(path));
            }
        }
    }

    private static long size(Path path) {
        try {
            return Files.size(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Check otherSizes(Tree expected) {
        List<String> models = List.copyOf(expected.names());
        models.forEach(model -> files(expected.get(model)));
        return subject -> {
            String title = PublishedModel.of(subject.model().config()).map(PublishedModel::title).orElse("");
            if (!models.contains(title)) {
                return Outcome.notApplicable("it is about " + String.join(", ", models));
            }
            Comparison comparison = new Comparison();
            compareFiles(subject.directory(), files(expected.get(title)), comparison);
            return comparison.outcome();
        };
    }

    /** A published tensor. */
    private record PublishedTensor(String name, String shape, long fileOffset, String sha256) {

        static PublishedTensor of(String name, Tree tree) {
            List<String> dims = tree.get("shape").list().stream().map(dim -> Long.toString(dim.whole())).toList();
            return new PublishedTensor(name, "[" + String.join(", ", dims) + "]", tree.get("file_offset").whole(),
                    tree.get("sha256_f32_le_row_major").text());
        }
    }

    /** Every tensor's bytes, and where the file is the published one, every tensor's place and the causal masks. */
    private static Check tensors(Tree expected) {
        Tree tree = expected.get("tensors");
        List<PublishedTensor> tensors = new ArrayList<>();
        tree.names().forEach(name -> tensors.add(PublishedTensor.of(name, tree.get(name))));
        long fileBytes = expected.get("data_start").whole() + expected.get("data_bytes").whole();
        String maskSha256 = expected.get("masks").get("sha256").text();
        return subject -> {
            Comparison comparison = new Comparison();
            Path weights = subject.directory().resolve(WEIGHTS);
            boolean published = Files.isRegularFile(weights) && size(weights) == fileBytes;
            try (Checkpoint checkpoint = Checkpoint.open(subject.directory())) {
                tensors.forEach(tensor -> compare(checkpoint, tensor, published, comparison));
                checkpoint.tensors().stream().filter(tensor -> ParameterCount.isBuffer(tensor.name()) && published)
                        .forEach(mask -> comparison.equal("SHA-256 of " + mask.name(), maskSha256,
                                Sha256.of(checkpoint, mask)));
            }
            return comparison.outcome();
        };
    }

    private static void compare(Checkpoint checkpoint, PublishedTensor tensor, boolean published,
            Comparison comparison) {
        Optional<TensorInfo> found = Subject.tensor(checkpoint, tensor.name());
        comparison.equal(tensor.name() + " is there", true, found.isPresent());
        found.ifPresent(info -> {
            comparison.equal("shape of " + tensor.name(), tensor.shape(), info.shape().toString());
            comparison.equal("type of " + tensor.name(), StoredType.F32, info.type());
            if (published) {
                comparison.equal("place of " + tensor.name(), tensor.fileOffset(), info.begin());
            }
            comparison.equal("SHA-256 of " + tensor.name(), tensor.sha256(), Sha256.of(checkpoint, info));
        });
    }
}
