from resnet50_bench.engines.onednn import ENGINE


def test_depth_first_is_one_of_three_words():
    assert ENGINE.option_problems({"depth_first": "maybe", "images": "0", "bands": "4"}) == [
        "--engine-option bands: the onednn engine has only callers=N and images=N and "
        "depth_first=auto|on|off",
        "--engine-option images=0: it must be a whole number, 1 or more",
        "--engine-option depth_first=maybe: it must be auto or on or off",
    ]
