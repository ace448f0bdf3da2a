"""TFRecord shards that TensorFlow itself wrote, read without it."""

import pytest

from resnet50_bench.data.sources import open_source
from resnet50_bench.data.verify.tfrecord import check_records, find_shards

pytestmark = pytest.mark.tensorflow


def write(tf, path, examples):
    def feature(value):
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        if isinstance(value, list):
            return tf.train.Feature(float_list=tf.train.FloatList(value=value))
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for values in examples:
            features = tf.train.Features(feature={k: feature(v) for k, v in values.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())


def test_shards_of_tensorflows_own_writer(tmp_path):
    tf = pytest.importorskip("tensorflow")
    expected = {}
    for shard in range(3):
        examples = []
        for number in range(5):
            label = 1 + (shard * 5 + number) * 71
            name = f"ILSVRC2012_val_{shard * 5 + number + 1:08d}.JPEG"
            image = bytes([shard, number]) * (50_000 * number + 1)
            expected[name] = (label - 1, image)
            examples.append(
                {
                    "image/height": 375,
                    "image/width": 500,
                    "image/colorspace": b"RGB",
                    "image/channels": 3,
                    "image/class/label": label,
                    "image/class/synset": b"n01440764",
                    "image/class/text": b"tench, Tinca tinca",
                    "image/object/bbox/xmin": [0.1, 0.2],
                    "image/format": b"JPEG",
                    "image/filename": name.encode(),
                    "image/encoded": image,
                }
            )
        write(tf, tmp_path / f"validation-{shard:05d}-of-00003", examples)
    source = open_source(tmp_path)
    assert source.skipped == ()
    assert {ref.name: (ref.label, source.read(ref)) for ref in source.refs} == expected
    damage = check_records(find_shards(tmp_path), lambda *_: None)
    assert (damage.checked, damage.damaged.count) == (len(expected), 0)
