#include "template/full_definition.h"

#define PYPI "https://files.pythonhosted.org/packages/"

/* Wheels of what Debian does not have, or only older than the others need. pip's resolver chose
 * them together; none is changed alone. */
const struct wr_download wr_full_downloads[] = {
    {"x86_64", "51c916108c56aa6e426ce611946f901badac950ee2ddaf302b7ed35d9958970d",
     PYPI
     "b8/3b/e8964210b5e216e5041593b7d33e97ee65967f17c282e8510d19c666dab4/"
     "audioop_lts-0.2.2-cp313-abi3-manylinux1_x86_64.manylinux_2_28_x86_64.manylinux_2_5_x86_64.whl"},
    {"aarch64", "47eba38322370347b1c47024defbd36374a211e8dd5b0dcbce7b34fdb6f8847b",
     PYPI
     "c7/2e/0a1c52faf10d51def20531a59ce4c706cb7952323b11709e10de324d6493/"
     "audioop_lts-0.2.2-cp313-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.manylinux_2_28_aarch64.whl"},
    {NULL, "b30d1df6c5d3de5dcef0fb0e256f6ea17bdcf5f979408df0297d8a408e2971b4",
     PYPI "7e/16/fbe8e1e185a45042f7cd3a282def5bb8d95bb69ab9e9ef6a5368aa17e426/"
          "audioread-3.1.0-py3-none-any.whl"},
    {"aarch64", "fff1160475c2d3ca0611a7d1c7e297fa5fba96d60f83c29958be468075b87775",
     PYPI
     "3b/4f/089fd62c5e416fe0ca9cf0ed44bddd54613264363805ba96952d348ff58a/"
     "blis-1.3.4-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "3a5cfa3b5cbf79d7e48bb98701bae67e021aa5d84c73458b316fbc74e0545d1e",
     PYPI
     "72/4f/8d02aae100a53c91fa57958b5f78c133aaf484ba4c4387890c9040b63588/"
     "blis-1.3.4-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl"},
    {NULL, "511f0c3ecbd396012b65b677826c92ccfa4e951a25484da068fed46b1183b154",
     PYPI "82/5f/ff36efde54b136494f1badebb1e6290f7b0e40387b249f27faf4362b17b8/"
          "bokeh-3.10.2-py3-none-any.whl"},
    {NULL, "58c2de0020aa90f4a2da7dfad161bf7b3b054c86a5f09fcedc0b2b740c109a9f",
     PYPI "9e/96/d32b941a501ab566a16358d68b6eb4e4acc373fab3c3c4d7d9e649f7b4bb/"
          "catalogue-2.0.10-py3-none-any.whl"},
    {NULL, "8acba7ce8e912e1193628eea5bbfd76ac3d63328e3195b2527c04675f16780f7",
     PYPI "12/24/96b041b800d1de465758106353bedc1e682c5671b3a18142e71e67613996/"
          "choreographer-1.4.0-py3-none-any.whl"},
    {NULL, "8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37",
     PYPI "31/7d/164b7ffc8624fe9efb4221bf9af485d5c1e41b9ae118045d2b6dc5457d8b/"
          "click-8.5.1-py3-none-any.whl"},
    {NULL, "abcd7f54bcbb2fbb79c0e96b79241f08866760aee6276586882b3558672d571b",
     PYPI "97/aa/c333f1be2afab2d033d51a66cb105f4bfc885b0c546e1168fb889a416b9d/"
          "cloudpathlib-0.26.0-py3-none-any.whl"},
    {NULL, "6c2e1ae87de7d989a79bdb62977eb9c43c28fb3371f3462492667eb0520e6796",
     PYPI "1d/65/411a5a4a83c98c907c5a76906fad35c6841e7ca9370165a625696ffdc71a/"
          "confection-1.3.4-py3-none-any.whl"},
    {"aarch64", "430194214dbc566656243c7764a531d25678c28347b07e1be2e98e39441b19e0",
     PYPI "77/75/cc5056cdec21aa921d31bca5d4f83ca788db0c63c56e797164f930d8f2a5/"
          "cymem-2.0.16-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"},
    {"x86_64", "284bf2083c9a91e5e59ac1502fff655079eb0bd8bf4155767ea913608723bc5e",
     PYPI "95/0a/c242fc584a383371a51b52aab1fa4a9d86ff74cf4bc9261512d3b3569898/"
          "cymem-2.0.16-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"},
    {"aarch64", "3bec3e6a1ecaa6439b21a3e42ceb0ca67ffabc114b646f89b1aab5fe69a39ffc",
     PYPI "d9/ef/1675e1a3a04f7d0293a21082f57f4a6a8bf0a9e387da58b71db648b663de/"
          "gensim-4.4.0-cp313-cp313-manylinux_2_24_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "9033b18920b7774e68eafacdbd87252ffa29382ec465ddb88bd036e00fc86365",
     PYPI "b3/b9/ee43ef9c391857232603a9ee281e9c5953f7922d70c98c2296a037d1c0b7/"
          "gensim-4.4.0-cp313-cp313-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"},
    {NULL, "de301b73cc9fd6311e54b47087d3a7a5da3b7681ee9175e23b45dcffb4432ff2",
     PYPI "07/86/73fa07ff24a29e14f3f44bc5729ef9897cb594dee983923a2bc7ebc4187f/"
          "kaleido-1.5.0-py3-none-any.whl"},
    {NULL, "0b6415c4fd68bff4c29288abe67c6d80b587e0e1e2cfb0aad23e4559504a7fa1",
     PYPI "b5/ba/c63c5786dfee4c3417094c4b00966e61e4a63efecee22cb7b4c0387dda83/"
          "librosa-0.11.0-py3-none-any.whl"},
    {"aarch64", "7dde9836d144c446a303b57b2dd906c35308411eb07f1279c1db581d3d774048",
     PYPI "21/3e/d5dbbc80bd87c3530bae1127cefce56b36434cc8a7fbbac281309e2af435/"
          "llvmlite-0.50.0-cp313-cp313-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "425845f415a06dc50db08db033c6b568e0d85c4937e932c605a4d49e1514b2da",
     PYPI "ed/c2/5e9d0773f1589397a3ea3dcfa4bbee36e2855ad938d738dd6ff9f505a59b/"
          "llvmlite-0.50.0-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"},
    {NULL, "06ffa127b9fb4ac8b1972ae6b2a9d7fde57598bf5939cd708f43ec5bba2d31eb",
     PYPI "54/20/6aa79ba3570bddd1bf7e951c6123f806751e58e8cce736bad77b2cf348d7/"
          "logistro-2.0.1-py3-none-any.whl"},
    {"x86_64", "569f8ab7691e89301020ef9bc8399a7a61ef1005baf3b4d01fe935a92261f0ed",
     PYPI
     "c2/45/14201b08e0827230fc1d4fce7392a1f25038dc2ed5e470ec75d3b3a22e30/"
     "murmurhash-1.0.16-cp313-cp313-manylinux1_x86_64.manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_5_x86_64.whl"},
    {"aarch64", "69754e931e240f8d71feea9b116d8e3842232ab8c45a13b61edd098a3d5c53f0",
     PYPI "76/b2/67789d3b1f0f53228dc37e93b784053a1ae1316710ebae3f17d41d3f5bc0/"
          "murmurhash-1.0.16-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"},
    {NULL, "1c69b3dc30240f6e848c5a673cafc86affa44184ecce721e25b7194663ad10dc",
     PYPI "9e/2b/20b4b463c3795dc390db8fa6ec2b5c3e0aea90a760f813305da4c33dd814/"
          "narwhals-2.29.0-py3-none-any.whl"},
    {"aarch64", "a4bdbff6ac4ea52a647c758e78403489a1b01a7ee9c2977c92f931c10802c078",
     PYPI "34/ab/e33d11d6e13c017a7278291ed33281006f199ca489aa8f9c378a6f3bf310/"
          "numba-0.68.1-cp313-cp313-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "4d1b544f37fc237d16698a4266bb3d5b3c40ec8aa4c925a191ff09ec6d115310",
     PYPI "3a/69/21a7b7abc7327044be15b4f9258a10901ae339bb1d9fe354d662f16d466e/"
          "numba-0.68.1-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"},
    {"aarch64", "97c6e818c6f71c0cfa214e12293b1d0266d679c38f4e086de08357c8ac6ece0d",
     PYPI "3f/0e/0b98bd582582253f61c4506f9b465cf5a8aa7fa4f7237dd99e1b5151a159/"
          "opencv_python_headless-4.14.0.94-cp37-abi3-manylinux_2_28_aarch64.whl"},
    {"x86_64", "211e581f5a4670acbbe08fff36a35e9946039d2eea28b80394632d036d1be527",
     PYPI "ae/ce/7f538891722a4f06921419d55bac6f41729258d54442861edb2de0dbdf5e/"
          "opencv_python_headless-4.14.0.94-cp37-abi3-manylinux_2_28_x86_64.whl"},
    {NULL, "36bebe2f1bb13884774fe61689c329071446f6ce4a8927fb1f0d6fb24f581236",
     PYPI "24/18/d8544811ab076f876c4892b3714f5b0dad335e1dc33aef826df431b8325d/"
          "plotly-6.9.0-py3-none-any.whl"},
    {"aarch64", "5ecba4768ae174348ae4c5aa2f3971f0e06360996575bd1c233d971e249b26a1",
     PYPI "18/1a/79cab49def2e248b1d5b1cb111ca1f7ac5f83092f7b2badc4015829dd0da/"
          "preshed-3.0.15-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"},
    {"x86_64", "b82e9771b161dbed924086facbcd91fe19bc36da20dfcfc835b9deabc5dced87",
     PYPI "9f/67/456cc51e1762c044e7ac54c3c8098640fcb3be5c48bb2a54718e10871605/"
          "preshed-3.0.15-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"},
    {NULL, "945216f3360166fdb42fdee0e19b37f032caaf9429d5797bc06b01d2c75a71a4",
     PYPI "1e/f0/905ab7bccf8b5beb95580a62573d80e8010e8931568e3492f9de8cba4d50/"
          "smart_open-9.0.2-py3-none-any.whl"},
    {"aarch64", "bf98c0d7b7d5ef5bf072fee8d3020e8b664f2d195933ea7bc5089267c2e22a06",
     PYPI "88/2b/2e5eba817a762a2ec589ff165b8bc5955b25a0ad140045f7cd8e45410543/"
          "soxr-1.1.0-cp312-abi3-manylinux_2_26_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "3b033078e86f3c4a658e5697fac8995764fad9e799563616b630136b613167f1",
     PYPI "5c/f1/0e55195893228609c9a08c3b13b7a83a46c3a992cd00d3304f0f320cfb07/"
          "soxr-1.1.0-cp312-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"},
    {"aarch64", "f5a626e8ac4a8a63dc651700ddbc8839d55db49a389c521f736838895f6477e6",
     PYPI "36/7c/21cd82fb1642a84df0044590708bb770d4bac7229a2f80d5875a84634e25/"
          "spacy-3.8.18-cp313-cp313-manylinux_2_24_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "feba1ee7f17019724f521353c2b98e4c506b368eaf5ef26709904ebb9cdf306e",
     PYPI "b4/e0/cab3575ad9f8ebe641fd01fc4f5fb03a454fe120c3963ec6f1cbe2384d17/"
          "spacy-3.8.18-cp313-cp313-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"},
    {NULL, "476e3bd0d05f8c339ed60f40986c07387c0a71479245d6d0f4298dbd52cda55f",
     PYPI "c3/55/12e842c70ff8828e34e543a2c7176dac4da006ca6901c9e8b43efab8bc6b/"
          "spacy_legacy-3.0.12-py2.py3-none-any.whl"},
    {NULL, "196284c9c446cc0cdb944005384270d775fdeaf4f494d8e269466cfa497ef645",
     PYPI "33/78/d1a1a026ef3af911159398c939b1509d5c36fe524c7b644f34a5146c4e16/"
          "spacy_loggers-1.0.5-py3-none-any.whl"},
    {"aarch64", "82d6237e162cf9b4244284ecf1cf232535de62dee08c6cc2119ebf8374b5dda0",
     PYPI "c5/77/7c3015126ada228dd2e1a86b8f3d3dcaf069b1ea1dee5ff9c90cdea085a4/"
          "srsly-2.5.6-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"},
    {"x86_64", "60f47ca9b4b18d467ca029a8c42769fb17ef70562a24a617ae1cb4027e04eb71",
     PYPI "9a/5d/da9cc301f054c436b021f97d7c70ddd0cfda64cba57e7827b1c9693ab0ad/"
          "srsly-2.5.6-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"},
    {NULL, "f7ae09cc57de1224a0dd8e3eb8f73830be7c3d0bc485de4c1f82b4a7f645ac66",
     PYPI "c3/52/5fbb203394cc852334d1575cc020f6bcec768d2265355984dfd361968f36/"
          "standard_aifc-3.13.0-py3-none-any.whl"},
    {NULL, "17880a26c285189c644bd5bd8f8ed2bdb795d216e3293e6dbe55bbd848e2982c",
     PYPI "7a/90/a5c1084d87767d787a6caba615aa50dc587229646308d9420c960cb5e4c0/"
          "standard_chunk-3.13.0-py3-none-any.whl"},
    {NULL, "53af624a9529c41062f4c2fd33837f297f3baa196b0cfceffea6555654602622",
     PYPI "34/ae/e3707f6c1bc6f7aa0df600ba8075bfb8a19252140cd595335be60e25f9ee/"
          "standard_sunau-3.13.0-py3-none-any.whl"},
    {NULL, "f957699169a3e7b9a03a504883111b7b6973679496b9af959db2f74ee2449977",
     PYPI "6b/7f/f4c3c1f86d80d76de7e94b1ed6d2712bd541bf4d0579cab34d20b39a7706/"
          "textblob-0.20.1-py3-none-any.whl"},
    {"aarch64", "2ba9d33b07b3ace9254baa6048bade23aca22ee64c98fc1e3108caf5c68443ab",
     PYPI "db/a1/08c3ce24278d9f85f6ea9bbc296975312549c49ee4e30979ba85d1892bb6/"
          "thinc-8.3.14-cp313-cp313-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl"},
    {"x86_64", "56d3ffff7eda1800a55135c0d1776f102cdea960b6a36dcfbe79d7bd38cc069a",
     PYPI "c4/76/6ea9436bceee27c85a23226d59aefbf8ddcc2d649cdb0ec2d89e47f966ed/"
          "thinc-8.3.14-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"},
    {NULL, "f76e16e8f7e79f8c4c8be49b4024ac725713ab10cd7f19350ad18a8e3f71728c",
     PYPI "06/7c/34330a89da55610daa5f245ddce5aab81244321101614751e7537f125133/"
          "wasabi-1.1.3-py3-none-any.whl"},
    {NULL, "a7d37540e4b5e53c783bae292d2e5dfaa8f6054160cec633e0782afce89c504d",
     PYPI "89/66/53b57003567d506e2f0f7b9859a4d2e6e748d3f0ed8f494b98f684d6696d/"
          "weasel-1.0.1-py3-none-any.whl"},
    {NULL, "af4fddac0f1fa5f7951834e2c58e10109e722be548cb1fe4f1a8e8b18cef4c09",
     PYPI "a8/71/9219fe65ef32bddc0b5d14e1d98dfefe9d2c9c1b1d1e93efca1f29fcbd4d/"
          "xyzservices-2026.9.1-py3-none-any.whl"},
    {0},
};
